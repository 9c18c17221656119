package pgerr

// SQLSTATEs that pgseal answers with. Those that begin with a digit are
// Postgres's own (https://www.postgresql.org/docs/current/errcodes-appendix.html)
// and keep their meaning; the PS class is pgseal's.
const (
	FeatureNotSupported      = "0A000" // the policy does not let a sealed column be used so
	InsufficientPrivilege    = "42501" // this user may not open, or write for, this org
	SyntaxError              = "42601"
	StatementTooComplex      = "54001"
	ProgramLimitExceeded     = "54000"
	ProtocolViolation        = "08P01"
	CannotConnectNow         = "57P03"
	AdminShutdown            = "57P01"
	IdleSessionTimeout       = "57P05"
	IdleInTransactionTimeout = "25P03"
	TooManyConnections       = "53300"
	ConnectionFailure        = "08006"
	InvalidAuthorization     = "28000"
	InvalidPassword          = "28P01"
	InvalidTextRepresent     = "22P02"
	InvalidBinaryRepresent   = "22P03"
	BadCopyFileFormat        = "22P04"
	UntranslatableCharacter  = "22P05"
	StringTruncation         = "22001"
	NumericOutOfRange        = "22003"
	InvalidDatetimeFormat    = "22007"
	DatetimeOverflow         = "22008"
	CharacterNotInRepertory  = "22021"
	CheckViolation           = "23514"

	KeyUnavailable = "PS001" // the org's key is disabled, deleted, or access was withdrawn
	KMSUnreachable = "PS002" // KMS or the keystore cannot be reached: try again
	DoesNotOpen    = "PS003" // a stored value is damaged, or was moved from another column or org
	NoKey          = "PS004" // no key is set up for this org
)
