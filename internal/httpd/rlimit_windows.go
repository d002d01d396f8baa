package httpd

// MaxOpenFiles is how many files and connections the system lets this process have
// open; 0 if that is not known. Windows has no such limit.
func MaxOpenFiles() int { return 0 }
