// Package version says which hakeep this is. Both processes tell it each
// other, and the commands show it. It decides nothing: whether main and an
// elector understand each other is wire.Version's business.
package version
