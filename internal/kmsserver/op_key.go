package kmsserver

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"
)

const (
	minimumWindow = 7 // days; API_ScheduleKeyDeletion: PendingWindowInDays
	maximumWindow = 30
)

// usages are the values of KeyUsage that go with a KeySpec, the default first
// (API_CreateKey). Of the asymmetric specs these stand for their kin.
var usages = map[string][]string{
	specSymmetric:   {usageEncrypt},
	"RSA_2048":      {"", usageEncrypt, "SIGN_VERIFY"}, // no default: KeyUsage is required
	"RSA_4096":      {"", usageEncrypt, "SIGN_VERIFY"},
	"ECC_NIST_P256": {"", "SIGN_VERIFY", "KEY_AGREEMENT"},
	"HMAC_256":      {"", "GENERATE_VERIFY_MAC"},
	"HMAC_512":      {"", "GENERATE_VERIFY_MAC"},
}

// KeyOptions says what key to make. The zero value is a symmetric key in the
// server's Region and account.
type KeyOptions struct {
	Description string
	Region      string
	Account     string
	Spec        string // KeySpec; default SYMMETRIC_DEFAULT
	Usage       string // KeyUsage; required unless symmetric
	MultiRegion bool
	// Origin of the key material, AWS_KMS by default. A key of origin EXTERNAL waits
	// for its material, which this server does not import; one of AWS_CLOUDHSM or
	// EXTERNAL_KEY_STORE is in a custom key store that is connected.
	Origin string
	Alias  string // "alias/…", made with it
	Policy string // a key policy in JSON; default: all to the account
}

// API_CreateKey.
func (s *Server) opCreateKey(c *call) (any, error) {
	in, err := decode[struct {
		Description, KeySpec, CustomerMasterKeySpec, KeyUsage, Policy, Origin string
		MultiRegion                                                           bool
	}](c)
	if err != nil {
		return nil, err
	}
	k, err := s.makeKey(KeyOptions{
		Description: in.Description, Region: c.region, Account: c.who.account,
		Spec: cmp.Or(in.KeySpec, in.CustomerMasterKeySpec), Usage: in.KeyUsage, MultiRegion: in.MultiRegion, Policy: in.Policy, Origin: in.Origin,
	}, c.now)
	if err != nil {
		return nil, err
	}
	return map[string]any{"KeyMetadata": k.metadata()}, nil
}

func (s *Server) makeKey(o KeyOptions, now time.Time) (*key, error) {
	o.Spec = cmp.Or(o.Spec, specSymmetric)
	allowed, ok := usages[o.Spec]
	if !ok {
		return nil, failure("ValidationException", "this loopback KMS has no KeySpec %s", o.Spec)
	}
	o.Usage = cmp.Or(o.Usage, allowed[0])
	if o.Usage == "" || !slices.Contains(allowed, o.Usage) {
		return nil, failure("ValidationException", "KeyUsage %q is not one of KeySpec %s", o.Usage, o.Spec)
	}
	o.Origin = cmp.Or(o.Origin, originKMS)
	if !slices.Contains([]string{originKMS, originImported, originCloudHSM, originExternal}, o.Origin) {
		return nil, failure("ValidationException", "Origin %q is none", o.Origin)
	}
	// API_CreateKey: a key of a custom key store is symmetric and of one Region.
	if store := o.Origin == originCloudHSM || o.Origin == originExternal; store && (o.Spec != specSymmetric || o.MultiRegion) {
		return nil, failure("UnsupportedOperationException", "a custom key store has only symmetric keys of one Region")
	}
	policy, err := parseKeyPolicy(cmp.Or(o.Policy, defaultKeyPolicy(o.Account)))
	if err != nil {
		return nil, err
	}
	id := newUUID()
	if o.MultiRegion {
		// Developer guide, multi-region-keys-overview: ids start with mrk-.
		id = "mrk-" + hex.EncodeToString(randomBytes(16))
	}
	k := &key{
		keyName:     keyName{o.Account, o.Region, id},
		description: o.Description,
		spec:        o.Spec, usage: o.Usage, origin: o.Origin,
		state: stateEnabled, created: now,
		policy: policy, denied: map[string]bool{},
	}
	k.family = &family{multiRegion: o.MultiRegion, primary: k, members: []*key{k}, periodFrom: now}
	switch {
	case k.origin == originImported:
		k.state = statePendingImport
	case k.symmetric():
		k.family.materials = []*material{newMaterial(now, "")}
	}
	s.keys[k.keyName] = k
	return k, nil
}

// API_ReplicateKey: the replica has the primary's id and key material, and a
// policy and state of its own.
func (s *Server) opReplicateKey(c *call) (any, error) {
	in, err := decode[struct{ KeyId, ReplicaRegion, Description, Policy string }](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if in.ReplicaRegion == "" {
		return nil, errMissing("replicaRegion")
	}
	replica, err := s.replicate(k, in.ReplicaRegion, in.Description, in.Policy, c.now)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ReplicaKeyMetadata": replica.metadata(), "ReplicaPolicy": replica.policy.text}, nil
}

func (s *Server) replicate(k *key, region, description, policyText string, now time.Time) (*key, error) {
	if !k.family.multiRegion || k.family.primary != k {
		return nil, failure("UnsupportedOperationException", "%s is not a multi-Region primary key.", k.arn())
	}
	if err := k.checkUsable(); err != nil {
		return nil, err
	}
	name := keyName{k.account, region, k.id}
	if s.keys[name] != nil {
		return nil, failure("AlreadyExistsException", "%s already exists.", name.arn())
	}
	policy, err := parseKeyPolicy(cmp.Or(policyText, defaultKeyPolicy(k.account)))
	if err != nil {
		return nil, err
	}
	replica := &key{
		keyName: name, family: k.family, description: description, spec: k.spec, usage: k.usage, origin: k.origin,
		state: stateEnabled, created: now, policy: policy, denied: map[string]bool{},
	}
	s.keys[name] = replica
	k.family.members = append(k.family.members, replica)
	return replica, nil
}

// API_DescribeKey: works in every state (developer guide, key-state).
func (s *Server) opDescribeKey(c *call) (any, error) {
	in, err := decode[struct{ KeyId string }](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookup(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(c, k, "kms:DescribeKey", nil); err != nil {
		return nil, err
	}
	return map[string]any{"KeyMetadata": k.metadata()}, nil
}

// metadata is API_KeyMetadata.
func (k *key) metadata() map[string]any {
	m := map[string]any{
		"AWSAccountId": k.account, "KeyId": k.id, "Arn": k.arn(), "Description": k.description,
		"CreationDate": seconds(k.created), "Enabled": k.state == stateEnabled, "KeyState": k.state,
		"KeyUsage": k.usage, "KeySpec": k.spec, "CustomerMasterKeySpec": k.spec,
		"KeyManager": "CUSTOMER", "Origin": k.origin, "MultiRegion": k.family.multiRegion,
	}
	if k.symmetric() {
		m["EncryptionAlgorithms"] = []string{specSymmetric}
	}
	if len(k.family.materials) > 0 {
		m["CurrentKeyMaterialId"] = k.current().hex()
	}
	switch k.state {
	case statePendingDeletion:
		m["DeletionDate"] = seconds(k.deleteAt)
	case statePendingReplicaDeletion:
		m["PendingDeletionWindowInDays"] = k.window
	}
	if k.family.multiRegion {
		m["MultiRegionConfiguration"] = k.multiRegionConfiguration()
	}
	return m
}

func (k *key) multiRegionConfiguration() map[string]any {
	place := func(k *key) map[string]string { return map[string]string{"Arn": k.arn(), "Region": k.region} }
	kind, replicas := "REPLICA", []map[string]string{}
	if k == k.family.primary {
		kind = "PRIMARY"
	}
	for _, member := range k.family.members {
		if member != k.family.primary {
			replicas = append(replicas, place(member))
		}
	}
	return map[string]any{"MultiRegionKeyType": kind, "PrimaryKey": place(k.family.primary), "ReplicaKeys": replicas}
}

// seconds is the protocol's timestamp.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// API_EnableKey.
func (s *Server) opEnableKey(c *call) (any, error) { return s.setState(c, stateEnabled) }

// API_DisableKey.
func (s *Server) opDisableKey(c *call) (any, error) { return s.setState(c, stateDisabled) }

func (s *Server) setState(c *call, state string) (any, error) {
	in, err := decode[struct{ KeyId string }](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	return struct{}{}, k.set(state)
}

// API_ScheduleKeyDeletion.
func (s *Server) opScheduleKeyDeletion(c *call) (any, error) {
	in, err := decode[struct {
		KeyId               string
		PendingWindowInDays *int
	}](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	window := maximumWindow
	if in.PendingWindowInDays != nil {
		window = *in.PendingWindowInDays
	}
	if err := k.scheduleDeletion(window, c.now); err != nil {
		return nil, err
	}
	out := map[string]any{"KeyId": k.arn(), "KeyState": k.state, "PendingWindowInDays": window}
	if !k.deleteAt.IsZero() {
		out["DeletionDate"] = seconds(k.deleteAt)
	}
	return out, nil
}

// scheduleDeletion: a multi-Region primary with replicas waits for them first.
func (k *key) scheduleDeletion(window int, now time.Time) error {
	if window < minimumWindow || window > maximumWindow {
		return failure("ValidationException", "Value at 'pendingWindowInDays' failed to satisfy constraint: must be from %d to %d", minimumWindow, maximumWindow)
	}
	if err := k.checkNotPending(); err != nil {
		return err
	}
	k.window = window
	if k.family.primary == k && len(k.family.members) > 1 {
		k.state = statePendingReplicaDeletion
		return nil
	}
	k.state, k.deleteAt = statePendingDeletion, now.Add(time.Duration(window)*day)
	return nil
}

// API_CancelKeyDeletion: afterwards the key is Disabled.
func (s *Server) opCancelKeyDeletion(c *call) (any, error) {
	in, err := decode[struct{ KeyId string }](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookupManaged(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := k.cancelDeletion(); err != nil {
		return nil, err
	}
	return map[string]string{"KeyId": k.arn()}, nil
}

func (k *key) cancelDeletion() error {
	if k.checkNotPending() == nil {
		return errNotPendingDeletion(k)
	}
	k.state, k.deleteAt, k.window = stateDisabled, time.Time{}, 0
	return nil
}

// API_ListKeys.
func (s *Server) opListKeys(c *call) (any, error) {
	var entries []map[string]string
	for name := range s.keys {
		if name.account == c.who.account && name.region == c.region {
			entries = append(entries, map[string]string{"KeyId": name.id, "KeyArn": name.arn()})
		}
	}
	return page(c, "Keys", "KeyArn", entries)
}

// page gives the part of a list that Limit and Marker ask for (API_ListKeys). The
// marker is the last entry of the page before.
func page(c *call, member, sortBy string, entries []map[string]string) (any, error) {
	in, err := decode[struct {
		Limit  *int
		Marker string
	}](c)
	if err != nil {
		return nil, err
	}
	limit := 100
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 1000 {
		return nil, failure("ValidationException", "Value at 'limit' failed to satisfy constraint: must be from 1 to 1000")
	}
	slices.SortFunc(entries, func(a, b map[string]string) int { return cmp.Compare(a[sortBy], b[sortBy]) })
	if in.Marker != "" {
		i := slices.IndexFunc(entries, func(e map[string]string) bool { return e[sortBy] == in.Marker })
		if i < 0 {
			return nil, failure("InvalidMarkerException", "Could not deserialize marker")
		}
		entries = entries[i+1:]
	}
	out := map[string]any{member: entries, "Truncated": false}
	if len(entries) > limit {
		out[member], out["Truncated"], out["NextMarker"] = entries[:limit], true, entries[limit-1][sortBy]
	}
	if len(entries) == 0 {
		out[member] = []map[string]string{}
	}
	return out, nil
}
