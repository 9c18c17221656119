package kmsserver

const (
	maximumPlaintext  = 4096 // API_Encrypt: Plaintext
	maximumCiphertext = 6144 // API_Decrypt: CiphertextBlob
	maximumDataKey    = 1024 // API_GenerateDataKey: NumberOfBytes
)

type dataKeyInput struct {
	KeyId             string
	KeySpec           string
	NumberOfBytes     *int
	EncryptionContext map[string]string
	DryRun            bool
}

type cipherOutput struct {
	CiphertextBlob      []byte `json:",omitempty"`
	Plaintext           []byte `json:",omitempty"`
	KeyId               string
	KeyMaterialId       string
	EncryptionAlgorithm string `json:",omitempty"`
}

// API_GenerateDataKey.
func (s *Server) opGenerateDataKey(c *call) (any, error) { return s.generate(c, true) }

// API_GenerateDataKeyWithoutPlaintext.
func (s *Server) opGenerateDataKeyWithoutPlaintext(c *call) (any, error) {
	return s.generate(c, false)
}

func (s *Server) generate(c *call, withPlaintext bool) (any, error) {
	in, err := decode[dataKeyInput](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookup(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	length, err := in.length()
	if err != nil {
		return nil, err
	}
	if err := s.ready(c, k, "kms:"+c.op, in.EncryptionContext); err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	plaintext := randomBytes(length)
	out := cipherOutput{
		CiphertextBlob: s.seal(k, plaintext, in.EncryptionContext),
		KeyId:          k.arn(),
		KeyMaterialId:  k.current().hex(),
	}
	if withPlaintext {
		out.Plaintext = plaintext
	}
	return out, nil
}

// length: KeySpec or NumberOfBytes, not both (API_GenerateDataKey).
func (in dataKeyInput) length() (int, error) {
	switch {
	case (in.KeySpec == "") == (in.NumberOfBytes == nil):
		return 0, failure("ValidationException", "Please specify either number of bytes or key spec.")
	case in.KeySpec == "AES_256":
		return 32, nil
	case in.KeySpec == "AES_128":
		return 16, nil
	case in.KeySpec != "":
		return 0, failure("ValidationException", "Value at 'keySpec' failed to satisfy constraint: must be one of AES_256, AES_128")
	case *in.NumberOfBytes < 1 || *in.NumberOfBytes > maximumDataKey:
		return 0, failure("ValidationException", "Value at 'numberOfBytes' failed to satisfy constraint: must be from 1 to %d", maximumDataKey)
	}
	return *in.NumberOfBytes, nil
}

// ready is what every cryptographic operation asks of its key: permission, kind,
// state, in this order.
func (s *Server) ready(c *call, k *key, action string, context map[string]string) error {
	if err := s.authorize(c, k, action, context); err != nil {
		return err
	}
	if err := k.checkSymmetric(c.op); err != nil {
		return err
	}
	return k.checkUsable()
}

// checkAlgorithm: SYMMETRIC_DEFAULT is the default, and all that a symmetric key has.
func checkAlgorithm(name string) error {
	if name != "" && name != specSymmetric {
		return failure("InvalidKeyUsageException", "the encryption algorithm %s does not fit a symmetric key", name)
	}
	return nil
}

// API_Encrypt.
func (s *Server) opEncrypt(c *call) (any, error) {
	in, err := decode[struct {
		KeyId, EncryptionAlgorithm string
		Plaintext                  []byte
		EncryptionContext          map[string]string
		DryRun                     bool
	}](c)
	if err != nil {
		return nil, err
	}
	k, err := s.lookup(c, in.KeyId)
	if err != nil {
		return nil, err
	}
	if len(in.Plaintext) < 1 || len(in.Plaintext) > maximumPlaintext {
		return nil, failure("ValidationException", "Value at 'plaintext' failed to satisfy constraint: length must be from 1 to %d", maximumPlaintext)
	}
	if err := s.ready(c, k, "kms:Encrypt", in.EncryptionContext); err != nil {
		return nil, err
	}
	if err := checkAlgorithm(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	return cipherOutput{
		CiphertextBlob:      s.seal(k, in.Plaintext, in.EncryptionContext),
		KeyId:               k.arn(),
		KeyMaterialId:       k.current().hex(),
		EncryptionAlgorithm: specSymmetric,
	}, nil
}

// API_Decrypt.
func (s *Server) opDecrypt(c *call) (any, error) {
	in, err := decode[struct {
		KeyId, EncryptionAlgorithm string
		CiphertextBlob             []byte
		EncryptionContext          map[string]string
		DryRun                     bool
	}](c)
	if err != nil {
		return nil, err
	}
	if err := checkAlgorithm(in.EncryptionAlgorithm); err != nil {
		return nil, err
	}
	k, m, plaintext, err := s.decrypt(c, "kms:Decrypt", in.CiphertextBlob, in.KeyId, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	return cipherOutput{
		Plaintext: plaintext, KeyId: k.arn(), KeyMaterialId: m.hex(), EncryptionAlgorithm: specSymmetric,
	}, nil
}

// decrypt opens a ciphertext, under the named key if one is named: then KMS uses
// only that one, and any other is an IncorrectKeyException (API_Decrypt, KeyId).
func (s *Server) decrypt(c *call, action string, blob []byte, keyID string, context map[string]string) (*key, *material, []byte, error) {
	if len(blob) < 1 || len(blob) > maximumCiphertext {
		return nil, nil, nil, failure("ValidationException", "Value at 'ciphertextBlob' failed to satisfy constraint: length must be from 1 to %d", maximumCiphertext)
	}
	var named *key
	if keyID != "" {
		var err error
		if named, err = s.lookup(c, keyID); err != nil {
			return nil, nil, nil, err
		}
		if err := s.ready(c, named, action, context); err != nil {
			return nil, nil, nil, err
		}
	}
	ciphertext, ok := s.parse(blob)
	if !ok {
		return nil, nil, nil, errInvalidCiphertext()
	}
	k := s.keys[keyName{ciphertext.account, c.region, ciphertext.id}]
	if named != nil && named != k {
		return nil, nil, nil, failure("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	}
	if k == nil {
		return nil, nil, nil, failure("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	}
	if named == nil {
		if err := s.ready(c, k, action, context); err != nil {
			return nil, nil, nil, err
		}
	}
	plaintext, m, ok := ciphertext.open(k, context)
	if !ok {
		return nil, nil, nil, errInvalidCiphertext()
	}
	return k, m, plaintext, nil
}

// errInvalidCiphertext: the ciphertext or the encryption context is damaged,
// missing or another (API_Decrypt, Errors).
func errInvalidCiphertext() error { return failure("InvalidCiphertextException", "") }

// API_ReEncrypt: decrypts under the source, encrypts under the destination; the
// caller needs kms:ReEncryptFrom on the one and kms:ReEncryptTo on the other.
func (s *Server) opReEncrypt(c *call) (any, error) {
	in, err := decode[struct {
		CiphertextBlob                                            []byte
		SourceKeyId, DestinationKeyId                             string
		SourceEncryptionAlgorithm, DestinationEncryptionAlgorithm string
		SourceEncryptionContext, DestinationEncryptionContext     map[string]string
		DryRun                                                    bool
	}](c)
	if err != nil {
		return nil, err
	}
	if in.DestinationKeyId == "" {
		return nil, errMissing("destinationKeyId")
	}
	for _, algorithm := range []string{in.SourceEncryptionAlgorithm, in.DestinationEncryptionAlgorithm} {
		if err := checkAlgorithm(algorithm); err != nil {
			return nil, err
		}
	}
	from, fromMaterial, plaintext, err := s.decrypt(c, "kms:ReEncryptFrom", in.CiphertextBlob, in.SourceKeyId, in.SourceEncryptionContext)
	if err != nil {
		return nil, err
	}
	to, err := s.lookup(c, in.DestinationKeyId)
	if err != nil {
		return nil, err
	}
	if err := s.ready(c, to, "kms:ReEncryptTo", in.DestinationEncryptionContext); err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	return struct {
		CiphertextBlob                                            []byte
		KeyId, SourceKeyId                                        string
		SourceKeyMaterialId, DestinationKeyMaterialId             string
		SourceEncryptionAlgorithm, DestinationEncryptionAlgorithm string
	}{
		s.seal(to, plaintext, in.DestinationEncryptionContext), to.arn(), from.arn(),
		fromMaterial.hex(), to.current().hex(), specSymmetric, specSymmetric,
	}, nil
}
