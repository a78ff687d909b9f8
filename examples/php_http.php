<?php
// Hand a campaign in over HTTP with cURL, wait for it, print how it went. PHP 8.1 or newer, extension curl.
//
//     php php_http.php [IDEMPOTENCY_KEY]
//
// DISPATCHER_API_URL and DISPATCHER_SERVICE_KEY say where. Run it twice: the same Idempotency-Key and body are one campaign.

declare(strict_types=1);

const PATIENCE = 300; // seconds

$key = $argv[1] ?? 'example-php'; // Idempotency-Key
$payload = [
    'name' => 'Example: PHP',
    'template' => 'Hola {nombre}, su pedido llega el {dia}. Empresa SA',
    'recipients' => [
        ['telefono' => '1144445555', 'nombre' => 'Ana', 'dia' => '10/12'],
        ['telefono' => '011 15 4444-6666', 'nombre' => 'José', 'dia' => '11/12'],
        ['telefono' => '12', 'nombre' => 'Nadie', 'dia' => '12/12'],
    ],
    'test' => true, // the provider validates and sends nothing; take it out to send
];

function stop(string $problem): never
{
    fwrite(STDERR, $problem . PHP_EOL);
    exit(1);
}

/** Call until there is an answer that stands. Asking again is safe: one key is one campaign. */
function ask(string $path, int $ends, ?array $payload = null, string $key = ''): array
{
    $curl = curl_init((getenv('DISPATCHER_API_URL') ?: 'http://127.0.0.1:8080') . '/api/v1' . $path);
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 60,
        CURLOPT_HTTPHEADER => [
            'Authorization: Bearer ' . getenv('DISPATCHER_SERVICE_KEY'),
            'Content-Type: application/json',
            "Idempotency-Key: $key",
        ],
    ]);
    if ($payload !== null) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode($payload, JSON_THROW_ON_ERROR));
    }
    while (true) {
        $answer = curl_exec($curl);
        $status = curl_getinfo($curl, CURLINFO_HTTP_CODE);
        if (in_array($status, [200, 201], true)) {
            return json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
        }
        $problem = $answer === false ? curl_error($curl) : "$status: $answer";
        // 0 is a connection that failed; the rest is what asking again would not change.
        if (!in_array($status, [0, 202, 429, 502, 503, 504], true)) {
            stop($problem);
        }
        if (time() > $ends) {
            stop("gave up: $problem");
        }
        sleep(1);
    }
}

$ends = time() + PATIENCE;
$number = ask('/campaigns', $ends, $payload, $key)['campaign_id'];
while (true) {
    $campaign = ask("/campaigns/$number", $ends);
    if (in_array($campaign['state'], ['completed', 'cancelled'], true)) {
        break;
    }
    if (time() > $ends) {
        stop("campaign $number is still {$campaign['state']}: " . ($campaign['blocked'] ?? json_encode($campaign['counts'])));
    }
    sleep(1);
}
echo "campaign $number {$campaign['state']}, invalid rows: {$campaign['invalid']}", PHP_EOL;
ksort($campaign['counts']);
foreach ($campaign['counts'] as $status => $messages) {
    echo "  $status: $messages", PHP_EOL;
}
