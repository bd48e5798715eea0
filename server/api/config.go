package api

// A Reload tells what a reload of the gateway's configuration did.
type Reload struct {
	Revision int `json:"revision"` // rises with every reload since the start
	// RestartNeeded names changed settings that only a restart puts into force.
	RestartNeeded []string `json:"restart_needed"`
}
