package wire

// InVariant returns an account in the shape of a variant.
func InVariant(a Account, v Variant) Account { return a.withVariant(v) }
