package ipvs

// The numbers of linux/ip_vs.h.

const (
	familyName    = "IPVS"
	familyVersion = 1
)

// IPVS_CMD_*
const (
	cmdNewService = 1
	cmdSetService = 2
	cmdDelService = 3
	cmdGetService = 4
	cmdNewDest    = 5
	cmdSetDest    = 6
	cmdDelDest    = 7
	cmdGetDest    = 8
	cmdNewDaemon  = 9
	cmdDelDaemon  = 10
	cmdGetDaemon  = 11
	cmdSetConfig  = 12
	cmdGetConfig  = 13
	cmdGetInfo    = 15
	cmdFlush      = 17
)

// IPVS_CMD_ATTR_*
const (
	attrService       = 1
	attrDest          = 2
	attrDaemon        = 3
	attrTimeoutTCP    = 4
	attrTimeoutTCPFin = 5
	attrTimeoutUDP    = 6
)

// IPVS_SVC_ATTR_*
const (
	svcFamily    = 1
	svcProtocol  = 2
	svcAddr      = 3
	svcPort      = 4
	svcMark      = 5
	svcScheduler = 6
	svcFlags     = 7
	svcTimeout   = 8
	svcNetmask   = 9
	svcStats     = 10
	svcEngine    = 11
	svcStats64   = 12
)

// IPVS_DEST_ATTR_*
const (
	destAddr       = 1
	destPort       = 2
	destMethod     = 3
	destWeight     = 4
	destUThreshold = 5
	destLThreshold = 6
	destActive     = 7
	destInactive   = 8
	destPersistent = 9
	destStats      = 10
	destFamily     = 11
	destStats64    = 12
	destTunType    = 13
	destTunPort    = 14
	destTunFlags   = 15
)

// IPVS_DAEMON_ATTR_*
const (
	daemonState     = 1
	daemonInterface = 2
	daemonID        = 3
	daemonMaxLen    = 4
	daemonGroup     = 5
	daemonGroup6    = 6
	daemonPort      = 7
	daemonTTL       = 8
)

// IPVS_STATS_ATTR_*
const (
	statsConns    = 1
	statsInPkts   = 2
	statsOutPkts  = 3
	statsInBytes  = 4
	statsOutBytes = 5
)

// IPVS_INFO_ATTR_*
const (
	infoVersion = 1
	infoConnTab = 2
)

const (
	// flagPersistent is IP_VS_SVC_F_PERSISTENT. It is set exactly where there is a
	// persistence timeout, so it is no flag of the model.
	flagPersistent = 0x0001
	// flagsMask are the bits that a request sets or clears: all but "hashed", which
	// is the kernel's.
	flagsMask = ^uint32(0x0002)

	// IP_VS_CONN_F_*: forwarding methods, and the bits that hold them.
	methodMask   = 0x0007
	methodMasq   = 0x0000
	methodTunnel = 0x0002
	methodDirect = 0x0003

	// IP_VS_CONN_F_TUNNEL_TYPE_*
	tunIPIP = 0
	tunGUE  = 1
	tunGRE  = 2

	// IP_VS_TUNNEL_ENCAP_FLAG_*
	tunCsum    = 1
	tunRemCsum = 2
)
