<?php
// Take the events of a webhook, and believe only what is signed. PHP 8.1 or newer, no packages.
//
//     WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:9001 webhook_receiver.php
//
// `dispatcher webhook create URL --event message.results` prints the secret once. Put it behind a web server with TLS:
// only https is called, unless DISPATCHER_WEBHOOK_ALLOW names this machine's network.

declare(strict_types=1);

const TOLERANCE = 300; // seconds: older calls may be somebody's replay

/** Whether the dispatcher signed this, just now. */
function isGenuine(string $secret, string $id, string $timestamp, string $signatures, string $body): bool
{
    if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > TOLERANCE) {
        return false;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    // While a secret is rotated there are two signatures; one that fits is enough.
    foreach (explode(' ', $signatures) as $given) {
        if (hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}

$body = file_get_contents('php://input', false, null, 0, 65536);
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
$signatures = $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '';

if (!isGenuine((string) getenv('WEBHOOK_SECRET'), $id, $timestamp, $signatures, $body)) {
    http_response_code(401);
    exit;
}

$event = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
// Your own work: put it into a queue of yours, and answer at once. The same event may come twice, after an answer that got
// lost: keep $id in your database, and pass over what is there.
file_put_contents('php://stderr', $event['type'] . ' ' . json_encode($event['data'], JSON_UNESCAPED_UNICODE) . PHP_EOL);
http_response_code(204);
