<?php
// The calls of Organizr about accounts (its class and its plug-in for invitations), in the form of its HTTP
// library, and the fields that it reads. It runs in usher exec. Organizr reads XML with SimpleXML, which not every
// PHP has: attributes() reads the necessary part.
//
// Every call becomes a line: the call, a tab, and the fields.

$attic = getenv('USHER_SERVER_ATTIC_ID');
$mia = getenv('USHER_ACCOUNT_MIA_TOKEN');

function request($method, $path, $headers = [], $body = null)
{
    $lines = [];
    foreach ($headers as $name => $value) {
        $lines[] = "$name: $value";
    }
    $curl = curl_init('https://plex.tv' . $path);
    curl_setopt_array($curl, [CURLOPT_CUSTOMREQUEST => $method, CURLOPT_RETURNTRANSFER => true, CURLOPT_HTTPHEADER => $lines, CURLOPT_TIMEOUT => 15]);
    if ($body !== null) {
        curl_setopt($curl, CURLOPT_POSTFIELDS, $body);
    }
    $answer = curl_exec($curl);
    if ($answer === false) {
        fail("$method $path: " . curl_error($curl));
    }
    return [curl_getinfo($curl, CURLINFO_RESPONSE_CODE), $answer];
}

function succeed($method, $path, $headers = [], $body = null)
{
    [$status, $answer] = request($method, $path, $headers, $body);
    if ($status < 200 || $status > 299) {
        fail("$method $path: $status $answer");
    }
    return $answer;
}

// attributes returns the attributes of all elements with a name, in order.
function attributes($xml, $name)
{
    preg_match_all('/<' . $name . '((?: [\w-]+="[^"]*")*) ?\/?>/', $xml, $elements);
    $all = [];
    foreach ($elements[1] as $text) {
        preg_match_all('/ ([\w-]+)="([^"]*)"/', $text, $found);
        $all[] = array_combine($found[1], array_map('html_entity_decode', $found[2]));
    }
    return $all;
}

function fail($text)
{
    fwrite(STDERR, "$text\n");
    exit(1);
}

function equal($got, $want)
{
    if ($got !== $want) {
        fail('got ' . json_encode($got) . ', want ' . json_encode($want) . "\n" . (new Exception())->getTraceAsString());
    }
}

function called($name, $read)
{
    echo "$name\t$read\n";
}

// A form with which users sign up and in to Organizr.
function form($path, $fields)
{
    $headers = [
        'Accept' => 'application/json', 'Content-Type' => 'application/x-www-form-urlencoded',
        'X-Plex-Product' => 'Organizr', 'X-Plex-Version' => '2.0', 'X-Plex-Client-Identifier' => '71d4a3f2-3f1c-4f1b-9f1c-0a8f0c1d2e3f',
    ];
    return request('POST', $path, $headers, http_build_query($fields));
}

function sign_in($login, $password)
{
    return form('/users/sign_in.json', ['user[login]' => $login, 'user[password]' => $password]);
}

// Organizr treats an answer without errors as a new account, and shows the field and the message of each error.
function sign_up($username, $email, $password)
{
    [$status, $answer] = form('/api/v2/users', ['email' => $email, 'username' => $username, 'password' => $password]);
    $answer = json_decode($answer, true);
    foreach ($answer['errors'] ?? [] as $error) {
        equal([$error['field'] !== '', $error['message'] !== ''], [true, true]);
    }
    return [$status, array_column($answer['errors'] ?? [], 'field'), $answer['username'] ?? ''];
}

equal(sign_up('ida', 'ida@example.org', 'ida has a password'), [201, [], 'ida']);
equal(json_decode(sign_in('ida@example.org', 'ida has a password')[1], true)['user']['username'], 'ida');
equal(sign_up('ida', 'another@example.org', 'ida has a password'), [409, ['username'], '']);
equal(sign_up('ned2', 'ned@example.org', 'ned has a password'), [409, ['email'], '']);
equal(sign_up('pam', 'pam@example.org', 'short'), [400, ['password'], '']);
called('POST /api/v2/users', 'username; errors: field, message');

foreach (['noa', 'noa@example.org'] as $login) {
    [$status, $answer] = sign_in($login, getenv('USHER_ACCOUNT_NOA_PASSWORD'));
    equal($status, 201);
    $user = json_decode($answer, true)['user'];
    equal([$user['username'], $user['email'], strlen($user['authToken'])], ['noa', 'noa@example.org', 20]);
    equal(substr($user['thumb'], 0, 8), 'https://');
}
equal(sign_in('noa', 'a guess')[0], 401);
called('POST /users/sign_in.json', 'user: username, email, thumb, authToken');

$token = ['X-Plex-Token' => $user['authToken'], 'Content-Type' => 'application/json', 'Accept' => 'application/json'];
$again = json_decode(succeed('GET', '/users/account.json', $token), true)['user'];
equal([$again['username'], $again['email'], $again['authToken'], $again['id']], ['noa', 'noa@example.org', $user['authToken'], $user['id']]);
equal(request('GET', '/users/account.json', ['X-Plex-Token' => 'notATokenOfAnybody00'] + $token)[0], 422); // any error will do
called('GET /users/account.json', 'user: id, username, email, authToken');

// The users that the form admits: those that the server is shared with.
$xml = succeed('GET', '/api/users', ['X-Plex-Token' => $mia]);
$people = [];
foreach (attributes($xml, 'User') as $person) {
    if ($person['restricted'] === '0') {
        $people[$person['username']] = $person['email'];
    }
}
equal($people, ['zoe' => 'zoe@example.org', 'noa' => 'noa@example.org']);
equal(array_column(attributes($xml, 'Server'), 'machineIdentifier'), [$attic, $attic, $attic]);
called('GET /api/users', 'User: username, email, id, restricted; Server: machineIdentifier');

$headers = ['Accept' => 'application/json', 'X-Plex-Token' => $mia];
function shares()
{
    global $attic, $headers;
    $list = [];
    foreach (attributes(succeed('GET', "/api/servers/$attic/shared_servers", $headers), 'SharedServer') as $share) {
        if ($share['username'] !== '') {
            $list[$share['username']] = [$share['email'], $share['id']];
        }
    }
    ksort($list);
    return $list;
}
equal(array_map(fn ($share) => $share[0], shares()), ['noa' => 'noa@example.org', 'zoe' => 'zoe@example.org']);
called('GET /api/servers/{id}/shared_servers', 'SharedServer: username, email, id');

$sections = array_column(attributes(succeed('GET', "/api/servers/$attic", $headers), 'Section'), 'id', 'title');
equal(array_keys($sections), ['Films', 'Shows', 'Songs']);
called('GET /api/servers/{id}', 'Server/Section: title, id');

$servers = array_column(attributes(succeed('GET', '/pms/servers', $headers), 'Server'), null, 'machineIdentifier');
equal([$servers[$attic]['name'], $servers[$attic]['owned'], isset($servers[$attic]['address'])], ['Attic', '1', true]);
called('GET /pms/servers', 'Server: name, address, machineIdentifier, owned');

// Organizr treats 400 as an invitation that exists already, and any other error as a failure.
$json = $headers + ['Content-Type' => 'application/json'];
function invite($who, $libraries)
{
    global $attic, $json;
    $body = [
        'server_id' => $attic, 'shared_server' => ['library_section_ids' => $libraries, 'invited_email' => $who],
        'sharing_settings' => ['filterTelevision' => '', 'filterMovies' => '', 'filterMusic' => ''],
    ];
    return request('POST', "/api/servers/$attic/shared_servers/", $json, json_encode($body))[0];
}
equal(invite('ned@example.org', [$sections['Shows'], $sections['Songs']]), 201);
equal(invite('ned@example.org', [$sections['Shows']]), 400);
equal(invite('noa', ''), 400);
equal(invite('pam', ''), 201);
called('POST /api/servers/{id}/shared_servers/', 'the status; 400: has access already');

succeed('DELETE', "/api/servers/$attic/shared_servers/" . shares()['noa'][1], $json);
equal(array_keys(shares()), ['zoe']);
called('DELETE /api/servers/{id}/shared_servers/{share}', 'the status');
