package kmsserver

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestDataKey(t *testing.T) {
	s, c, arn := setUp(t)
	ctx := context.Background()
	out := generate(t, c, arn)
	if len(out.Plaintext) != 32 || *out.KeyId != arn || len(*out.KeyMaterialId) != 64 {
		t.Fatalf("%d bytes under %s, material %s", len(out.Plaintext), *out.KeyId, *out.KeyMaterialId)
	}
	if bytes.Contains(out.CiphertextBlob, out.Plaintext) {
		t.Fatal("the ciphertext holds the plaintext")
	}
	for _, key := range []string{"", arn, keyIDOf(arn)} {
		got, err := decrypt(c, key, out.CiphertextBlob)
		must(t, err)
		if !bytes.Equal(got, out.Plaintext) {
			t.Errorf("with KeyId %q another key came back", key)
		}
	}
	without, err := c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{
		KeyId: &arn, NumberOfBytes: aws.Int32(64), EncryptionContext: encryptionContext("acme"),
	})
	must(t, err)
	if got, err := decrypt(c, arn, without.CiphertextBlob); err != nil || len(got) != 64 {
		t.Errorf("%d bytes, %v; want 64", len(got), err)
	}
	if n := s.Calls("Decrypt", arn); n != 4 {
		t.Errorf("%d calls of Decrypt were counted, want 4", n)
	}
	if n := s.Calls("", arn); n != 6 {
		t.Errorf("%d calls were counted, want 6", n)
	}
	s.ResetCalls()
	if n := s.Calls("", ""); n != 0 {
		t.Errorf("%d calls after a reset", n)
	}
}

func keyIDOf(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func TestGenerateDataKeyRefuses(t *testing.T) {
	s, c, arn := setUp(t)
	signing := createKey(t, s, KeyOptions{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY"})
	rsa := createKey(t, s, KeyOptions{Spec: "RSA_2048", Usage: "ENCRYPT_DECRYPT"})
	mac := createKey(t, s, KeyOptions{Spec: "HMAC_256", Usage: "GENERATE_VERIFY_MAC"})
	elsewhere := createKey(t, s, KeyOptions{Region: "us-east-1"})
	foreign := createKey(t, s, KeyOptions{Account: other})
	aes := types.DataKeySpecAes256
	for _, test := range []struct {
		name string
		in   kms.GenerateDataKeyInput
		code string
		http int
	}{
		{"both lengths", kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: aes, NumberOfBytes: aws.Int32(32)}, "ValidationException", 400},
		{"no length", kms.GenerateDataKeyInput{KeyId: &arn}, "ValidationException", 400},
		{"a length of 0", kms.GenerateDataKeyInput{KeyId: &arn, NumberOfBytes: aws.Int32(0)}, "ValidationException", 400},
		{"a length of 1025", kms.GenerateDataKeyInput{KeyId: &arn, NumberOfBytes: aws.Int32(1025)}, "ValidationException", 400},
		{"an unknown spec", kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: "DES"}, "ValidationException", 400},
		{"a dry run", kms.GenerateDataKeyInput{KeyId: &arn, KeySpec: aes, DryRun: aws.Bool(true)}, "DryRunOperationException", 412},
		{"a signing key", kms.GenerateDataKeyInput{KeyId: &signing, KeySpec: aes}, "InvalidKeyUsageException", 400},
		{"an RSA key", kms.GenerateDataKeyInput{KeyId: &rsa, KeySpec: aes}, "InvalidKeyUsageException", 400},
		{"a MAC key", kms.GenerateDataKeyInput{KeyId: &mac, KeySpec: aes}, "InvalidKeyUsageException", 400},
		{"a key of another Region", kms.GenerateDataKeyInput{KeyId: &elsewhere, KeySpec: aes}, "NotFoundException", 404},
		{"a key of another account", kms.GenerateDataKeyInput{KeyId: &foreign, KeySpec: aes}, "AccessDeniedException", 400},
		{"an unknown key", kms.GenerateDataKeyInput{KeyId: aws.String("1234abcd-12ab-34cd-56ef-1234567890ab"), KeySpec: aes}, "NotFoundException", 404},
		{"a typo in the id", kms.GenerateDataKeyInput{KeyId: aws.String(arn + "x"), KeySpec: aes}, "NotFoundException", 404},
		{"a broken ARN", kms.GenerateDataKeyInput{KeyId: aws.String("arn:aws:s3:::bucket"), KeySpec: aes}, "NotFoundException", 404},
		{"an alias to nothing", kms.GenerateDataKeyInput{KeyId: aws.String("alias/nothing"), KeySpec: aes}, "NotFoundException", 404},
	} {
		_, err := c.GenerateDataKey(context.Background(), &test.in)
		wantCode(t, test.name, err, test.code, test.http)
	}
}

func TestDecryptRefuses(t *testing.T) {
	s, url := serve(t, Options{})
	arn, second := createKey(t, s, KeyOptions{}), createKey(t, s, KeyOptions{})
	c := client(url, region, s.Credentials())
	blob := generate(t, c, arn).CiphertextBlob
	in := func(change func(*kms.DecryptInput)) *kms.DecryptInput {
		in := &kms.DecryptInput{CiphertextBlob: blob, KeyId: &arn, EncryptionContext: encryptionContext("acme")}
		change(in)
		return in
	}
	deleted := createKey(t, s, KeyOptions{})
	orphan := generate(t, c, deleted).CiphertextBlob
	must(t, s.Delete(deleted))
	for _, test := range []struct {
		name string
		in   *kms.DecryptInput
		code string
		http int
	}{
		{"as it was", in(func(*kms.DecryptInput) {}), "", 200},
		{"another key", in(func(in *kms.DecryptInput) { in.KeyId = &second }), "IncorrectKeyException", 400},
		{"another context", in(func(in *kms.DecryptInput) { in.EncryptionContext = encryptionContext("globex") }), "InvalidCiphertextException", 400},
		{"no context", in(func(in *kms.DecryptInput) { in.EncryptionContext = nil }), "InvalidCiphertextException", 400},
		{"a context in other case", in(func(in *kms.DecryptInput) { in.EncryptionContext = encryptionContext("Acme") }), "InvalidCiphertextException", 400},
		{"cut short", in(func(in *kms.DecryptInput) { in.CiphertextBlob = blob[:len(blob)-1] }), "InvalidCiphertextException", 400},
		{"something else", in(func(in *kms.DecryptInput) { in.CiphertextBlob = []byte("sealed, honestly") }), "InvalidCiphertextException", 400},
		{"too long", in(func(in *kms.DecryptInput) { in.CiphertextBlob = make([]byte, maximumCiphertext+1) }), "ValidationException", 400},
		{"another algorithm", in(func(in *kms.DecryptInput) { in.EncryptionAlgorithm = types.EncryptionAlgorithmSpecRsaesOaepSha256 }), "InvalidKeyUsageException", 400},
		{"a dry run", in(func(in *kms.DecryptInput) { in.DryRun = aws.Bool(true) }), "DryRunOperationException", 412},
		{"of a deleted key, by its id", in(func(in *kms.DecryptInput) { in.CiphertextBlob, in.KeyId = orphan, &deleted }), "NotFoundException", 404},
		{"of a deleted key", in(func(in *kms.DecryptInput) { in.CiphertextBlob, in.KeyId = orphan, nil }), "AccessDeniedException", 400},
	} {
		_, err := c.Decrypt(context.Background(), test.in)
		wantCode(t, test.name, err, test.code, test.http)
	}
	for i := range blob {
		damaged := bytes.Clone(blob)
		damaged[i] ^= 1
		if _, ok := openLocally(s, damaged); ok {
			t.Errorf("with byte %d changed it opens", i)
		}
	}
	_, err := decrypt(client(url, "us-east-1", s.Credentials()), "", blob)
	wantCode(t, "in another Region", err, "AccessDeniedException", 400)
}

func openLocally(s *Server, blob []byte) ([]byte, bool) {
	c, ok := s.parse(blob)
	if !ok {
		return nil, false
	}
	k := s.keys[keyName{c.account, region, c.id}]
	plaintext, _, ok := c.open(k, encryptionContext("acme"))
	return plaintext, ok
}

func TestEncrypt(t *testing.T) {
	_, c, arn := setUp(t)
	ctx := context.Background()
	out, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &arn, Plaintext: []byte("secret"), EncryptionContext: encryptionContext("acme")})
	must(t, err)
	if got, err := decrypt(c, arn, out.CiphertextBlob); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: &arn, Plaintext: make([]byte, maximumPlaintext+1)})
	wantCode(t, "a plaintext of 4097 bytes", err, "ValidationException", 400)
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: &arn, Plaintext: []byte{}})
	wantCode(t, "no plaintext", err, "ValidationException", 400)
}

func TestReEncrypt(t *testing.T) {
	s, c, from := setUp(t)
	to := createKey(t, s, KeyOptions{})
	data := generate(t, c, from)
	in := &kms.ReEncryptInput{
		CiphertextBlob: data.CiphertextBlob, SourceKeyId: &from, SourceEncryptionContext: encryptionContext("acme"),
		DestinationKeyId: &to, DestinationEncryptionContext: encryptionContext("acme"),
	}
	out, err := c.ReEncrypt(context.Background(), in)
	must(t, err)
	if *out.KeyId != to || *out.SourceKeyId != from {
		t.Errorf("from %s to %s", *out.SourceKeyId, *out.KeyId)
	}
	must(t, s.Disable(from))
	if got, err := decrypt(c, to, out.CiphertextBlob); err != nil || !bytes.Equal(got, data.Plaintext) {
		t.Errorf("after ReEncrypt: %v", err)
	}
	_, err = c.ReEncrypt(context.Background(), in)
	wantCode(t, "from a disabled key", err, "DisabledException", 409)
	must(t, s.Enable(from))
	must(t, s.Deny(to, "kms:ReEncryptTo"))
	_, err = c.ReEncrypt(context.Background(), in)
	wantCode(t, "to a key that denies it", err, "AccessDeniedException", 400)
	if n := s.Calls("ReEncrypt", to); n != 3 {
		t.Errorf("%d calls were counted for the destination, want 3", n)
	}
}

func TestRotation(t *testing.T) {
	_, c, arn := setUp(t)
	ctx := context.Background()
	before := generate(t, c, arn)
	_, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &arn})
	must(t, err)
	after := generate(t, c, arn)
	if *before.KeyMaterialId == *after.KeyMaterialId {
		t.Error("the material is the same after a rotation")
	}
	for _, blob := range [][]byte{before.CiphertextBlob, after.CiphertextBlob} {
		if _, err := decrypt(c, arn, blob); err != nil {
			t.Error(err)
		}
	}
	rotations, err := c.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &arn})
	must(t, err)
	if len(rotations.Rotations) != 1 || rotations.Rotations[0].RotationType != types.RotationTypeOnDemand {
		t.Errorf("rotations: %+v", rotations.Rotations)
	}
	for range onDemandLimit - 1 {
		_, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &arn})
		must(t, err)
	}
	_, err = c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &arn})
	wantCode(t, "the 26th rotation", err, "LimitExceededException", 400)
	_, err = decrypt(c, arn, before.CiphertextBlob)
	wantCode(t, "what the first material sealed", err, "", 0)
}

func FuzzParse(f *testing.F) {
	s := New(Options{})
	arn, err := s.CreateKey(KeyOptions{Region: region})
	if err != nil {
		f.Fatal(err)
	}
	var k *key
	for _, k = range s.keys {
		if k.arn() != arn {
			f.Fatal("another key")
		}
	}
	whole := s.seal(k, []byte("x"), nil)
	seeds := [][]byte{whole, whole[:20], ciphertextMagic, {}, append(bytes.Clone(ciphertextMagic), bytes.Repeat([]byte{0xff}, 300)...)}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		if c, ok := s.parse(blob); ok && !bytes.HasPrefix(whole, c.head) {
			t.Fatal("a forged head was taken")
		}
	})
}
