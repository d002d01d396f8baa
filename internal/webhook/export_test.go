package webhook

// Waits are how long a request that failed is put off.
var Waits = waits

// MaxWaiting is how many requests of an account wait at most.
const MaxWaiting = maxWaiting
