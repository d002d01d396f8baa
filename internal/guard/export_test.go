package guard

// MaxKeys is the maximum number of stored keys.
const MaxKeys = maxKeys

// Len is the number of stored keys.
func (f *Failures) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.debt)
}
