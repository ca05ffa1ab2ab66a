// Package layers holds the test that keeps imports pointing down, and package
// vrrp pure. It has no code of its own: see layers_test.go for the order.
package layers
