<?php
echo file_get_contents($argv[1], false, stream_context_create(['http' => ['header' => 'Accept: application/xml']])), "\n";
