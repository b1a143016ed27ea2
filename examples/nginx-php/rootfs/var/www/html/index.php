<?php
// The container's environment is PHP's too: docker run --env WHO=you.
$who = getenv('WHO') ?: 'world';
error_log("greeting $who");
header('Content-Type: text/plain');
echo "hello $who\n";
