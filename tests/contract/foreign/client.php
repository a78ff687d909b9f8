<?php
// What clients in PHP do with the provider's pages: client.php CALL URL, prints JSON.
// The credential, the forms and the reading of answers are theirs; only the host differs.

const USER = ['usuario' => 'USU500', 'clave' => 'CLAVE500'];
const KEY = ['apikey' => 'SIMULADOR'];

function utf8(string $latin1): string
{
    return iconv('ISO-8859-1', 'UTF-8', $latin1);
}

function curl(string $url, ?string $body = null): string
{
    $handle = curl_init($url);
    curl_setopt($handle, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($handle, CURLOPT_FOLLOWLOCATION, true);
    curl_setopt($handle, CURLOPT_TIMEOUT, 20);
    if ($body !== null) {
        curl_setopt($handle, CURLOPT_POST, true);
        curl_setopt($handle, CURLOPT_POSTFIELDS, $body);
    }
    $answer = curl_exec($handle);
    if ($answer === false || curl_getinfo($handle, CURLINFO_HTTP_CODE) !== 200) {
        throw new RuntimeException(curl_error($handle) . ' ' . curl_getinfo($handle, CURLINFO_HTTP_CODE));
    }
    return $answer;
}

// One message by file_get_contents, names in capitals, the answer compared to OK as it is.
function unit(string $url, string $number, string $text, string $more = ''): string
{
    return utf8(file_get_contents(
        "$url/enviar_sms.asp?API=1&TOS=" . urlencode($number) . '&TEXTO=' . urlencode($text)
        . '&USUARIO=' . urlencode(USER['usuario']) . '&CLAVE=' . urlencode(USER['clave']) . $more
    ));
}

// One message by cURL with RESPUESTANUMERICA: the code before the first semicolon, the words after it.
function numeric(string $url, array $fields): array
{
    $query = http_build_query(KEY + $fields + ['api' => 1, 'respuestanumerica' => 1]);
    [$code, $words] = explode(';', curl("$url/enviar_sms.asp?$query"), 2);
    return [ctype_digit(ltrim($code, '-')) ? (int) $code : null, utf8($words)];
}

// A block whose fields are put together by hand: an ampersand is left at the end.
function by_hand(string $url, array $lines): string
{
    $fields = USER + ['separadorcampos' => 'tab', 'bloque' => urlencode(implode("\n", $lines))];
    $body = '';
    foreach ($fields as $name => $value) {
        $body .= "$name=$value&";
    }
    return curl("$url/enviar_sms_bloque.asp", $body);
}

function results(string $url, array $question): array|false
{
    $answer = curl("$url/obtener_respuestaapi_bloque.asp?" . http_build_query(KEY + $question));
    if (trim(strtoupper($answer)) === 'PENDIENTE') {
        return false;
    }
    preg_match_all('/(.*)\t([0-9]+)\t(.*)/m', $answer, $rows, PREG_SET_ORDER);
    return array_map(fn (array $row) => [$row[1], $row[2], trim(utf8($row[3]))], $rows);
}

function inbox(string $url, array $question): array
{
    $answer = curl("$url/obtener_sms_entrada.asp?" . http_build_query(KEY + $question));
    $id = isset($question['traeridinterno']) ? '\t([A-Za-z0-9]+)' : '';
    preg_match_all("/^([0-9]{8,14})\\t(.+)\\t([0-9\\-\\: ]+)\\t([0-9]+)$id/m", $answer, $rows, PREG_SET_ORDER);
    return array_map(fn (array $row) => array_map('utf8', array_slice($row, 1)), $rows);
}

function soap(string $url): SoapClient
{
    return new SoapClient("$url/ws/SMSMasivosAPI.asmx?WSDL", ['cache_wsdl' => WSDL_CACHE_NONE]);
}

function main(string $call, string $url): mixed
{
    switch ($call) {
        case 'unit':
            return [
                unit($url, '1161880001', 'Su pedido está en camino'),
                unit($url, '1161880001', 'Su pedido sera entregado hoy cerca de las 15:00 (+/- 30 m).'),
                unit($url, '1161880001', 'Su turno es manana', '&FECHADESDE=' . urlencode('2026-03-11 09:00:00')),
                // Everything in the query of a POST without a body.
                utf8(curl("$url/enviar_sms.asp?" . http_build_query(
                    USER + ['api' => 1, 'tos' => '1161880002', 'texto' => 'Hola', 'test' => null, 'idinterno' => null]
                ), '')),
                // And everything in its body but api=1.
                utf8(curl("$url/enviar_sms.asp?api=1", http_build_query(
                    KEY + ['tos' => '1161880003', 'texto' => 'A=1; B+C 100%, #2']
                ))),
            ];
        case 'numeric':
            return [
                numeric($url, ['tos' => '1161880001', 'texto' => 'Hola', 'idinterno' => 'Ab123']),
                numeric($url, ['tos' => '1161880001', 'texto' => 'Chau', 'test' => 1]),
                numeric($url, ['tos' => '1155', 'texto' => 'Hola']),
                numeric($url, ['tos' => '1161880002', 'texto' => 'Hola *1*']),
            ];
        case 'bulk':
            $comma = ["P1,1161880001,Uno, con coma", 'P2,1161880002,Dos', 'P3,115,Tres'];
            $tab = array_map(fn (int $n) => "Q$n\t" . (1161880000 + $n) . "\tAviso largo $n", range(1, 60));
            return [
                curl("$url/enviar_sms_bloque.asp", http_build_query(
                    KEY + ['bloque' => implode("\r\n", $comma), 'separadorcampos' => 'coma']
                )),
                by_hand($url, $tab), // above 1024 bytes: cURL asks whether it may go on
                results($url, ['idinterno' => 'NUNCA']),
                results($url, ['idinterno' => 'P1']),
                results($url, ['fecha' => '20260310115900', 'solonoleidos' => 1, 'marcarcomoleidos' => 1]),
                results($url, ['fecha' => '20260310115900', 'solonoleidos' => 1]),
            ];
        case 'inbox':
            return [
                inbox($url, ['traeridinterno' => 1]),
                inbox($url, ['origen' => '1161880002', 'solonoleidos' => 1, 'marcarcomoleidos' => 1]),
                inbox($url, ['solonoleidos' => 1]),
                curl("$url/obtener_sms_entrada.asp?" . http_build_query(KEY + ['origen' => '1100000000'])),
            ];
        case 'figures':
            $page = fn (string $name) => trim(file_get_contents("$url/$name.asp?" . http_build_query(USER)));
            return [
                ctype_digit($page('obtener_saldo')) ? (int) $page('obtener_saldo') : -1,
                (new DateTime($page('obtener_vencimiento_paquete')))->format('Y-m-d'),
                (int) $page('obtener_envios'),
                (new DateTime(file_get_contents("$url/get_fecha.asp?iso=1")))->format('YmdHis'),
            ];
        case 'soap-send':
            // Flags as text, and one that no operation has.
            $message = USER + ['numero' => '1161880001', 'texto' => 'Su código & más', 'test' => '0', 'api' => '1'];
            $test = ['texto' => 'Hola', 'test' => true] + $message;
            return [
                soap($url)->EnviarSMS($message)->EnviarSMSResult,
                soap($url)->EnviarSMS(['texto' => 'Su codigo'] + $message)->EnviarSMSResult,
                soap($url)->EnviarSMS($test)->EnviarSMSResult,
                soap($url)->EnviarSMS(['clave' => 'x'] + $message)->EnviarSMSResult,
            ];
        case 'soap-inbox':
            $question = USER + ['origen' => '', 'solonoleidos' => false, 'marcarcomoleidos' => false];
            $all = soap($url)->RecibirSMS($question + ['traeridinterno' => true])->RecibirSMSResult;
            $none = soap($url)->RecibirSMS(['origen' => '1100000000', 'traeridinterno' => true] + $question);
            try {
                soap($url)->RecibirSMS(['clave' => 'x', 'traeridinterno' => true] + $question);
            } catch (SoapFault $fault) {
                return [$all->clsRespuesta, $none->RecibirSMSResult, $fault->getMessage()];
            }
            return 'no fault';
        case 'soap-functions':
            return soap($url)->__getFunctions();
    }
    throw new InvalidArgumentException($call);
}

echo json_encode(main($argv[1], $argv[2]), JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
