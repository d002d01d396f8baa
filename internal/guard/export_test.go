package guard

// MaxKeys is the maximum number of stored keys.
const MaxKeys = maxKeys

// Len is the number of stored keys.
func (f *Failures) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.debt)
}

// Open is the number of keys with attempts whose outcome is not known.
func (f *Failures) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}
