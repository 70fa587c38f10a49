// Package log has a logger that nobody writes to.
package log

// StdLogger is what the standard library's logger can.
type StdLogger interface {
	Fatal(args ...any)
	Fatalln(args ...any)
	Fatalf(format string, args ...any)
	Print(args ...any)
	Println(args ...any)
	Printf(format string, args ...any)
}

// Logger is set by the program.
var Logger StdLogger
