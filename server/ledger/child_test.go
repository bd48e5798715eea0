package ledger

func child() bool { return false }
