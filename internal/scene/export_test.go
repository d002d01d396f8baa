package scene

// Keys are the keys that are read below another one.
func Keys(where string) map[string]bool {
	k := map[string]keys{
		"": keysOfFile, "servers": keysOfServer, "providers": keysOfProvider, "connections": keysOfConnection, "sections": keysOfSection,
	}[where]
	if k == nil {
		k = keysOfFile[where].of.keys
	}
	set := make(map[string]bool)
	for name := range k {
		set[name] = true
	}
	return set
}
