// Package hostcheck looks at the machine that it runs on and says what would
// keep hakeep from working well there: `hakeep check --host`.
//
// The command calls [Check] with the configuration, which says where to look
// closer. Nothing is changed and nothing is sent, and what cannot be seen is said
// rather than guessed. The checks hold for the network namespace of the calling
// thread and the rights of the calling user; the service may run with others.
//
// What is seen is kept apart from what is made of it: reading files and the
// kernel's answers is in the functions that check calls, the judgement of a
// firewall (evaluate.go) is a pure function of its rules.
package hostcheck
