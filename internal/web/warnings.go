package web

import (
	"context"
	"time"

	"github.com/usher-auth/usher/internal/audit"
	"github.com/usher-auth/usher/internal/machine"
)

// warnings are what an admin should look at.
type warnings struct {
	log *audit.Log
	now func() time.Time
	// backups and lastBackup are those of firstSteps.
	backups    func() bool
	lastBackup func(context.Context) (time.Time, error)
	machine    machine.Place
}

const (
	// oldBackup is how old a backup may be before there is a warning.
	oldBackup = 7 * 24 * time.Hour
	// manyRefusals is how many sign-ins may be refused in an hour before there is one.
	manyRefusals = 100
)

// list returns the warnings for an admin. events are what happened lately.
func (w warnings) list(ctx context.Context, v *visit, events []audit.Count) (list []phrase, err error) {
	if !v.account.HasSecondFactor() {
		list = append(list, say("Your account has no second factor: anyone who learns its password is an admin."))
	}
	refused, hourAgo := int64(0), w.now().Add(-time.Hour)
	for _, e := range events {
		if e.What == string(audit.SignInRefused) && !e.Quarter.Before(hourAgo) {
			refused += e.N
		}
	}
	if refused > manyRefusals {
		list = append(list, say("%s attempts to sign in were refused in the last hour. Look at them in the audit log.", amount(refused)))
	}
	backup, err := w.ofBackups(ctx)
	if err != nil {
		return nil, err
	}
	clock, err := w.ofClock(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range []phrase{backup, clock, w.ofDisk(), w.ofCertificate()} {
		if !p.empty() {
			list = append(list, p)
		}
	}
	return list, nil
}

func (w warnings) ofBackups(ctx context.Context) (phrase, error) {
	if !w.backups() {
		return phrase{}, nil
	}
	at, err := w.lastBackup(ctx)
	if err != nil {
		return phrase{}, err
	}
	switch age := w.now().Sub(at); {
	case at.IsZero():
		return say("There is no backup yet. On the computer that usher runs on: usher backup FILE"), nil
	case age > oldBackup:
		return say("The last backup is %d days old. On the computer that usher runs on: usher backup FILE", int(age.Hours()/24)), nil
	}
	return phrase{}, nil
}

// ofClock warns of a clock that was set back, and of one that nothing keeps right.
func (w warnings) ofClock(ctx context.Context) (phrase, error) {
	last, err := w.log.List(ctx, audit.Query{Limit: 1})
	if err != nil {
		return phrase{}, err
	}
	switch {
	case len(last) > 0 && last[0].At.Sub(w.now()) > machine.MaxAhead:
		return say("The clock of the server was set back: the last event is from later than now. Codes of second factors may be refused."), nil
	case w.machine.ClockUnsynchronised():
		return say("The clock of the server is not synchronised. Codes of second factors are rejected if it is wrong by a minute."), nil
	}
	return phrase{}, nil
}

// ofDisk warns of a disk that is nearly full. A system that does not tell has no
// warning.
func (w warnings) ofDisk() phrase {
	if w.machine.Folder == "" {
		return phrase{}
	}
	free, err := machine.FreeBytes(w.machine.Folder)
	if err != nil || free >= machine.MinFree {
		return phrase{}
	}
	return say("The disk with the data is nearly full: %d MB are free. Nothing can be changed once it is full.", free/1_000_000)
}

// ofCertificate warns of a certificate that expires soon.
func (w warnings) ofCertificate() phrase {
	if w.machine.Certificate == "" {
		return phrase{}
	}
	cert, err := machine.ReadCertificate(w.machine.Certificate)
	if err != nil {
		return say("The certificate file cannot be read. The server keeps using the current certificate.")
	}
	const day = 24 * time.Hour
	switch left := cert.NotAfter.Sub(w.now()); {
	case left <= 0:
		return say("The certificate of the server has expired. Renew it: the server reads its files again by itself.")
	case machine.ExpiresSoon(cert, w.now()) && left >= 2*day:
		return say("The certificate of the server expires in %d days. Renew it: the server reads its files again by itself.", int(left/day))
	case machine.ExpiresSoon(cert, w.now()) && left < time.Hour:
		return say("The certificate of the server expires within an hour. Renew it: the server reads its files again by itself.")
	case machine.ExpiresSoon(cert, w.now()):
		return say("The certificate of the server expires in %s. Renew it: the server reads its files again by itself.",
			countOf(int(left.Hours()), "hour", "hours"))
	}
	return phrase{}
}
