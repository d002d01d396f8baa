package guard

// Remembered is of how many networks and accounts an Admission knows what they
// have had.
func (a *Admission) Remembered() (networks, accounts int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.network), len(a.account)
}

// MaxShares is how many of them it remembers.
const MaxShares = maxShares
