<?php
// Leads PHP programs that "usher exec" runs without a network of their own to usher:
// the functions for files and streams ask its proxy, which refuses other hosts. The
// extension curl reads the variables for proxies. usher exec puts its settings in
// place of the text below, and names this file by auto_prepend_file.
(static function (array $settings): void {
    [$host, $port] = $settings['address'];
    stream_context_set_default(['http' => ['proxy' => "tcp://$host:$port", 'request_fulluri' => true]]);
})(json_decode('{}' /* usher exec: settings */, true));
