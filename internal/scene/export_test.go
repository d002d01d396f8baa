package scene

// Keys are the keys that are read below another one.
func Keys(where string) map[string]bool {
	k := map[string]keys{"": keysOfFile, "accounts": keysOfFile["accounts"], "servers": keysOfSource, "connections": keysOfConnection, "faults": keysOfFile["faults"]}[where]
	set := make(map[string]bool)
	for name := range k {
		set[name] = true
	}
	return set
}
