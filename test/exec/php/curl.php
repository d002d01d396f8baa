<?php
$c = curl_init($argv[1]);
curl_setopt($c, CURLOPT_RETURNTRANSFER, true);
$text = curl_exec($c);
echo $text === false ? curl_error($c) : $text, "\n";
