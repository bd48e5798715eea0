package server

// sessionOf returns what a caller calls his conversation; "" if he does not say.
func (c *call) sessionOf() string {
	for x := firstSession; x <= lastSession; x++ {
		if v := c.header(x); len(v) > 0 && len(v) <= 512 {
			return string(v)
		}
	}
	return ""
}
