package httpd

// MaxOpenFiles returns the maximum number of files and connections that this process
// may have open, or 0 if it is unknown. Windows has no such limit.
func MaxOpenFiles() int { return 0 }
