package keepalived

// What a configuration can take. keepalived itself bounds only the length of a
// line; the other limits keep a hostile file from taking the machine, and are
// far above what a real one needs.
const (
	// maxLine is keepalived's limit for a line after definitions are put in.
	maxLine = 1024
	// maxText bounds all the files together.
	maxText = 16 << 20
	// maxFiles bounds how many files are read, each time counted.
	maxFiles = 1000
	// maxLines bounds the lines of files that are read, each time counted. The
	// largest known table of services has 37,205 servers, each of about 8 lines.
	maxLines = 600_000
	// maxMade bounds the lines that definitions and repetitions make.
	maxMade = 60_000
	// maxExpanded bounds the text of these lines.
	maxExpanded = 16 << 20
	// maxDepth bounds the nesting of files, definitions and repetitions.
	maxDepth = 32
	// maxBlocks bounds the nesting of blocks.
	maxBlocks = 16
	// maxDefinitions bounds how many definitions there may be.
	maxDefinitions = 10_000
	// maxUses bounds how many definitions are put into one line.
	maxUses = 200
	// maxIssues bounds the messages of each kind.
	maxIssues = 1000
)
