// Package sandbox runs a command for which some domains of the internet lead to a
// handler in this process, and everything else leads nowhere.
//
// It owns the two ways to do that (namespaces, and variables with start-up hooks),
// the certificates, name resolution, what is refused, and the processes: signals,
// job control, the exit status, and that nothing is left behind. It knows nothing
// of usher: domains, ports and the handler are given.
//
// # Namespaces
//
// On Linux, the command gets a network of its own that has only a loopback
// interface, and every address leads to it. This program listens in there, through
// sockets that a helper opens inside and hands over. So nothing gets out, whatever
// the command tries. Files about names and certificates are replaced in a file
// system view of its own; no file of the machine changes, and all is gone with the
// last process in it.
//
// # Variables
//
// Elsewhere, variables tell the command to use a proxy and to trust the
// certificates, and hooks that Python, Node, Java, PHP and Ruby load at their start
// lead them here. A program that ignores all of these reaches the internet.
//
// # Helpers
//
// The package runs its own program again, as the process that prepares a namespace
// (initHelper) and as the one that cleans up after this one (keeperHelper). The
// program must call RunHelper first.
package sandbox
