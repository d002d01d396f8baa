package guard

// Remembered returns for how many networks and accounts an Admission stores their past
// turns.
func (a *Admission) Remembered() (networks, accounts int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.network), len(a.account)
}

// MaxShares is how many of them it remembers.
const MaxShares = maxShares
