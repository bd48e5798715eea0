package relay

import "time"

// letGo gives the request's body back once content flows: no other target can take
// over, and a stream may last for minutes. What the answer refers to stays.
func (x *exchange) letGo() {
	x.call.Body = nil
	job := x.job
	if job.Release == nil || !x.same || job.Thread != nil || job.Ticket != nil || job.Upload != nil || !generates(job.Op) {
		return
	}
	job.Release()
	job.Release, job.Body, x.decoded = nil, nil, nil
}

// restAfter is how long a stream lasts that is worth a system call for the memory of
// its connection.
const restAfter = time.Second

// resting tells the connection of a caller whose stream lasts that nothing will be read
// from it for a while.
func (x *exchange) resting() {
	if x.stream.rests || x.now.Sub(x.job.Accepted) < restAfter {
		return
	}
	x.stream.rests = true
	if c, ok := x.job.Conn.(interface{ Rest() }); ok {
		c.Rest()
	}
}
