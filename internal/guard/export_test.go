package guard

// MaxKeys is how many keys are kept at the most.
const MaxKeys = maxKeys

// Len is how many keys are kept.
func (f *Failures) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.debt)
}
