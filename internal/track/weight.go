package track

import "hakeep/vrrp"

// Outcome is what is known of a tracked object.
type Outcome struct {
	// Known says that there was a result. OK is the outcome; files have Value
	// instead.
	Known, OK bool
	Value     int
}

const (
	// fileFault is the product at which a file means FAULT, fileMax the most that
	// it adds (keepalived: track_file).
	fileFault = -254
	fileMax   = 253
)

// Weight turns an object that an instance tracks into what it adds to the
// priority, or a fault. An object without a result adds nothing.
func Weight(ref Ref, o Outcome) (weight int, fault bool) {
	switch {
	case !o.Known:
		return 0, false
	case ref.ID.Kind == KindFile:
		return FileWeight(o.Value, ref.Weight, ref.Reverse)
	case ref.Weight == 0:
		return 0, o.OK == ref.Reverse
	}
	return vrrp.TrackedWeight(ref.Weight, ref.Reverse, o.OK), false
}

// FileWeight is what a tracked file means: the number in it times the weight; at
// -254 and below FAULT, at most 253. With weight 0 any number but 0 is FAULT,
// and reversed 0 is.
func FileWeight(value, weight int, reverse bool) (product int, fault bool) {
	if weight == 0 {
		return 0, (value != 0) != reverse
	}
	if reverse {
		weight = -weight
	}
	product = value * weight
	if product <= fileFault {
		return 0, true
	}
	return min(product, fileMax), false
}

// Total is what all the objects that an instance tracks add up to.
type Total struct {
	// Weight is added to the priority. It is not clipped: the elector does that
	// when it has added its own.
	Weight int
	// Fault says that one with weight 0 has failed.
	Fault bool
	// Ready says that all with weight 0 have given a result.
	Ready bool
}

// Sum adds up. assume lets objects without a result count as well: those that a
// reload has added to an instance that was ready before.
func Sum(refs []Ref, outcome func(ID) Outcome, assume bool) Total {
	total := Total{Ready: true}
	for _, ref := range refs {
		part := share(ref, outcome(ref.ID), assume)
		total.Weight += part.Weight
		total.Fault = total.Fault || part.Fault
		total.Ready = total.Ready && !(part.Pending && ref.Weight == 0)
	}
	return total
}

// share is what one object has in a [Total].
func share(ref Ref, o Outcome, assume bool) Part {
	if !o.Known {
		if !assume {
			return Part{Ref: ref, Pending: true}
		}
		o = Outcome{Known: ref.ID.Kind != KindFile, OK: !ref.Reverse}
	}
	p := Part{Ref: ref}
	p.Weight, p.Fault = Weight(ref, o)
	return p
}
