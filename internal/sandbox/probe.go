package sandbox

// Probe returns why this machine refuses namespaces; nil if it allows them. It runs
// a command that does nothing in one.
func Probe(cfg Config) error {
	cmd, err := helper(probeHelper)
	if err != nil {
		return err
	}
	cfg.Mode, cfg.Command, cfg.Observe, cfg.Begin = Namespace, cmd.Args, nil, nil
	cfg.Stdin, cfg.Stdout, cfg.Stderr = nil, nil, nil
	_, err = Run(cfg)
	return err
}
