package kmsserver

import "time"

const (
	defaultPeriod = 365 // days; API_EnableKeyRotation: RotationPeriodInDays
	minimumPeriod = 90
	maximumPeriod = 2560
	onDemandLimit = 25 // API_RotateKeyOnDemand
)

// rotatable finds the key of an operation on rotation. Only symmetric encryption
// keys outside of custom key stores rotate (UnsupportedOperationException otherwise),
// and of a multi-Region key only the primary is set (developer guide, rotate-keys).
func (s *Server) rotatable(c *call, changes bool) (*key, error) {
	in, err := decode[struct{ KeyId string }](c)
	if err != nil {
		return nil, err
	}
	find := s.lookupManaged
	if c.op == "GetKeyRotationStatus" {
		find = s.lookupOfAnyAccount
	}
	k, err := find(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if !k.symmetric() || k.ofCustomStore() || (changes && k.family.primary != k) {
		return nil, failure("UnsupportedOperationException", "%s cannot be rotated so.", k.arn())
	}
	if changes {
		return k, k.checkUsable()
	}
	return k, nil
}

// API_RotateKeyOnDemand.
func (s *Server) opRotateKeyOnDemand(c *call) (any, error) {
	k, err := s.rotatable(c, true)
	if err != nil {
		return nil, err
	}
	if err := k.rotate(c.now); err != nil {
		return nil, err
	}
	return map[string]string{"KeyId": k.arn()}, nil
}

func (k *key) rotate(now time.Time) error {
	f := k.family
	if f.onDemandTimes >= onDemandLimit {
		return failure("LimitExceededException", "%s was rotated on demand %d times already.", k.arn(), onDemandLimit)
	}
	f.onDemandTimes++
	f.materials = append(f.materials, newMaterial(now, "ON_DEMAND"))
	return nil
}

// API_EnableKeyRotation. That a period passes, and brings new material, is seen by
// the server's clock at the next GetKeyRotationStatus or ListKeyRotations only.
func (s *Server) opEnableKeyRotation(c *call) (any, error) {
	in, err := decode[struct{ RotationPeriodInDays *int }](c)
	if err != nil {
		return nil, err
	}
	k, err := s.rotatable(c, true)
	if err != nil {
		return nil, err
	}
	period := defaultPeriod
	if in.RotationPeriodInDays != nil {
		period = *in.RotationPeriodInDays
	}
	if period < minimumPeriod || period > maximumPeriod {
		return nil, failure("ValidationException", "Value at 'rotationPeriodInDays' failed to satisfy constraint: must be from %d to %d", minimumPeriod, maximumPeriod)
	}
	k.family.yearly, k.family.period, k.family.periodFrom = true, period, c.now
	return struct{}{}, nil
}

// API_DisableKeyRotation.
func (s *Server) opDisableKeyRotation(c *call) (any, error) {
	k, err := s.rotatable(c, true)
	if err != nil {
		return nil, err
	}
	k.family.yearly = false
	return struct{}{}, nil
}

// API_GetKeyRotationStatus.
func (s *Server) opGetKeyRotationStatus(c *call) (any, error) {
	k, err := s.rotatable(c, false)
	if err != nil {
		return nil, err
	}
	k.family.rotateAsTimePasses(c.now)
	out := map[string]any{"KeyId": k.arn(), "KeyRotationEnabled": k.family.yearly}
	if k.family.yearly {
		out["RotationPeriodInDays"] = k.family.period
		out["NextRotationDate"] = seconds(k.family.nextRotation())
	}
	return out, nil
}

// API_ListKeyRotations: completed rotations; the first material is none.
func (s *Server) opListKeyRotations(c *call) (any, error) {
	k, err := s.rotatable(c, false)
	if err != nil {
		return nil, err
	}
	k.family.rotateAsTimePasses(c.now)
	rotations := []map[string]any{}
	for _, m := range k.family.materials {
		if m.rotation == "" {
			continue
		}
		rotations = append(rotations, map[string]any{
			"KeyId": k.arn(), "KeyMaterialId": m.hex(), "RotationDate": seconds(m.created), "RotationType": m.rotation,
		})
	}
	return map[string]any{"Rotations": rotations, "Truncated": false}, nil
}

func (f *family) nextRotation() time.Time {
	return f.periodFrom.Add(time.Duration(f.period) * day)
}

func (f *family) rotateAsTimePasses(now time.Time) {
	for f.yearly && !now.Before(f.nextRotation()) {
		f.periodFrom = f.nextRotation()
		f.materials = append(f.materials, newMaterial(f.periodFrom, "AUTOMATIC"))
	}
}
