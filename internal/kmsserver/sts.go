package kmsserver

import (
	"cmp"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// STS, as far as AssumeRole goes, at the same URL: it speaks the query protocol, a
// form to and XML from it (docs.aws.amazon.com/STS/latest/APIReference/
// API_AssumeRole.html, and its page CommonErrors). There is no IAM: a caller's own
// policies are taken to allow sts:AssumeRole, and a role's to allow what the key's
// policy leaves to its account.

const (
	stsVersion      = "2011-06-15"
	stsNamespace    = "https://sts.amazonaws.com/doc/2011-06-15/"
	opAssumeRole    = "AssumeRole"
	minimumSession  = 900 // seconds; API_AssumeRole: DurationSeconds
	maximumSession  = 3600
	assumedRolePart = "assumed-role/"
)

// The patterns of API_AssumeRole's parameters.
var (
	roleSessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	roleExternalID  = regexp.MustCompile(`^[\w+=,.@:/-]+$`) // 2 to 1224 of them
)

// role is an IAM role with its trust policy: who may assume it, and what they have
// to say then (IAM user guide, id_roles_create_for-user_externalid).
type role struct {
	arn, account, name string
	trusted            []string // principals' ARNs, account numbers, or *
	externalID         string   // "" is none
}

// RoleOptions says what role to make.
type RoleOptions struct {
	Name       string
	Account    string   // default: the server's own
	Trusted    []string // ARNs of principals, account numbers; default: the server's own account
	ExternalID string
}

// CreateRole makes a role and gives its ARN.
func (s *Server) CreateRole(o RoleOptions) (arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &role{account: cmp.Or(o.Account, s.account), name: o.Name, trusted: o.Trusted, externalID: o.ExternalID}
	if len(r.trusted) == 0 {
		r.trusted = []string{s.account}
	}
	r.arn = "arn:aws:iam::" + r.account + ":role/" + r.name
	s.roles[r.arn] = r
	return r.arn
}

// Trust sets who may assume a role; nobody, without any. Sessions that there are go
// on until they expire, as at AWS (IAM user guide, id_roles_use_revoke-sessions).
func (s *Server) Trust(roleARN string, principals ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.roles[roleARN]
	if r == nil {
		return fmt.Errorf("kmsserver: there is no role %s", roleARN)
	}
	r.trusted = principals
	return nil
}

// stsForm gives the form of a request of the query protocol, or nil.
func stsForm(r *http.Request, body []byte) url.Values {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return url.Values{}
	}
	return form
}

type assumeRoleResponse struct {
	XMLName  xml.Name         `xml:"AssumeRoleResponse"`
	XMLNS    string           `xml:"xmlns,attr"`
	Result   assumeRoleResult `xml:"AssumeRoleResult"`
	Metadata stsMetadata      `xml:"ResponseMetadata"`
}

type assumeRoleResult struct {
	User        assumedRoleUser `xml:"AssumedRoleUser"`
	Credentials sessionCredentials
}

type assumedRoleUser struct{ AssumedRoleId, Arn string }

type sessionCredentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }

type stsMetadata struct{ RequestId string }

// API_AssumeRole.
func (s *Server) opAssumeRole(c *call) (any, error) {
	roleARN, session, externalID := c.form.Get("RoleArn"), c.form.Get("RoleSessionName"), c.form.Get("ExternalId")
	seconds := maximumSession // also the default
	if text := c.form.Get("DurationSeconds"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			seconds = 0
		}
	}
	switch {
	case c.form.Get("Version") != stsVersion:
		return nil, failure("NoSuchVersion", "the version is %s", stsVersion)
	case !arn.IsARN(roleARN) || len(roleARN) < 20:
		return nil, failure("ValidationError", "%s is invalid", roleARN)
	case !roleSessionName.MatchString(session):
		return nil, failure("ValidationError", "Value at 'roleSessionName' failed to satisfy constraint: %s", roleSessionName)
	case externalID != "" && (len(externalID) < 2 || len(externalID) > 1224 || !roleExternalID.MatchString(externalID)):
		return nil, failure("ValidationError", "Value at 'externalId' failed to satisfy constraint: %s", roleExternalID)
	case seconds < minimumSession || seconds > maximumSession:
		return nil, failure("ValidationError", "The requested DurationSeconds is not from %d to %d", minimumSession, maximumSession)
	}
	// Whether the role exists is not told (IAM user guide, troubleshoot_roles).
	r := s.roles[roleARN]
	if r == nil || !slices.ContainsFunc(r.trusted, c.who.is) || r.externalID != "" && r.externalID != externalID {
		return nil, failure("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.who.arn, roleARN)
	}
	expires := c.now.Add(time.Duration(seconds) * time.Second).Truncate(time.Second)
	p := &principal{
		arn:       "arn:aws:sts::" + r.account + ":" + assumedRolePart + r.name + "/" + session,
		role:      r.arn,
		account:   r.account,
		accessKey: "ASIA" + strings.ToUpper(hex.EncodeToString(randomBytes(8))),
		secret:    hex.EncodeToString(randomBytes(20)),
		token:     hex.EncodeToString(randomBytes(32)),
		expires:   expires,
	}
	s.principals[p.accessKey] = p
	return assumeRoleResponse{
		XMLNS: stsNamespace, Metadata: stsMetadata{newUUID()},
		Result: assumeRoleResult{
			assumedRoleUser{"AROA" + strings.ToUpper(hex.EncodeToString(randomBytes(8))) + ":" + session, p.arn},
			sessionCredentials{p.accessKey, p.secret, p.token, expires.UTC().Format(time.RFC3339)},
		},
	}, nil
}

type stsErrorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	XMLNS     string   `xml:"xmlns,attr"`
	Error     stsError
	RequestId string
}

type stsError struct{ Type, Code, Message string }

// stsCodes are STS's names for what KMS calls otherwise (the page CommonErrors of
// its API reference).
var stsCodes = map[string]string{
	"AccessDeniedException":               "AccessDenied",
	"ExpiredTokenException":               "ExpiredToken",
	"InvalidSignatureException":           "SignatureDoesNotMatch",
	"KMSInternalException":                "InternalFailure",
	"DependencyTimeoutException":          "ServiceUnavailable",
	"MissingAuthenticationTokenException": "MissingAuthenticationToken",
	"ThrottlingException":                 "Throttling",
	"UnknownOperationException":           "InvalidAction",
	"UnrecognizedClientException":         "InvalidClientTokenId",
}

var stsStatus = map[string]int{
	"AccessDenied":               http.StatusForbidden,
	"ExpiredToken":               http.StatusForbidden,
	"InternalFailure":            http.StatusInternalServerError,
	"InvalidClientTokenId":       http.StatusForbidden,
	"MissingAuthenticationToken": http.StatusForbidden,
	"ServiceUnavailable":         http.StatusServiceUnavailable,
	"SignatureDoesNotMatch":      http.StatusForbidden,
}

// answerXML is answer in the query protocol.
func answerXML(w http.ResponseWriter, out any, err error) {
	status, id := http.StatusOK, newUUID()
	if err != nil {
		var f *fail
		if !errors.As(err, &f) {
			f = failure("InternalFailure", "internal error")
		}
		e := stsError{"Sender", cmp.Or(stsCodes[f.code], f.code), f.message}
		status = cmp.Or(stsStatus[e.Code], http.StatusBadRequest)
		if status >= http.StatusInternalServerError {
			e.Type = "Receiver"
		}
		out = stsErrorResponse{XMLNS: stsNamespace, Error: e, RequestId: id}
	}
	text, err := xml.Marshal(out)
	if err != nil {
		panic("kmsserver: internal error: an answer that is not XML: " + err.Error())
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("X-Amzn-Requestid", id)
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
