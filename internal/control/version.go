package control

// ClientVersion is the version of the packages in the folder clients: the release that
// they belong to. Their tests and the release check compare it.
const ClientVersion = "0.1.0"
