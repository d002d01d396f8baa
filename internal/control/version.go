package control

// ClientVersion is the version of the packages in clients, which is that of the
// release that they belong to. Their tests and the release compare it.
const ClientVersion = "0.1.0"
