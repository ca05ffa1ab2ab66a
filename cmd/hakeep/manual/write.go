package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// sectionNumber is where the commands' pages belong: administration.
const sectionNumber = "8"

// Write writes into dir, which it makes, man pages (man8/hakeep.8,
// man8/hakeep-COMMAND.8, man5/hakeep.toml.5) and shell completions
// (bash/hakeep, zsh/_hakeep, fish/hakeep.fish). Hidden commands have no page.
func Write(dir string, root *cobra.Command, version string, date time.Time) error {
	files, err := Files(root, version, date)
	if err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write manual: %w", err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("write manual: %w", err)
		}
	}
	return nil
}

// Files is what Write writes, by name.
func Files(root *cobra.Command, version string, date time.Time) (map[string][]byte, error) {
	files := map[string][]byte{"man5/hakeep.toml.5": FilePage(version, date)}
	if err := commandPages(root, version, date, files); err != nil {
		return nil, err
	}
	for name, generate := range map[string]func(*bytes.Buffer) error{
		"bash/hakeep":      func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"zsh/_hakeep":      func(b *bytes.Buffer) error { return root.GenZshCompletion(b) },
		"fish/hakeep.fish": func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
	} {
		var b bytes.Buffer
		if err := generate(&b); err != nil {
			return nil, fmt.Errorf("generate %s: %w", name, err)
		}
		files[name] = b.Bytes()
	}
	return files, nil
}

// commandPages adds a page for c and every command below it.
func commandPages(c *cobra.Command, version string, date time.Time, files map[string][]byte) error {
	c.InitDefaultHelpFlag()
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	header := &doc.GenManHeader{
		Title: strings.ToUpper(name), Section: sectionNumber, Source: "hakeep " + version, Manual: "hakeep", Date: &date,
	}
	var b bytes.Buffer
	if err := doc.GenMan(c, header, &b); err != nil {
		return fmt.Errorf("generate page of %s: %w", c.CommandPath(), err)
	}
	files["man"+sectionNumber+"/"+name+"."+sectionNumber] = seeFile(b.Bytes())
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := commandPages(sub, version, date, files); err != nil {
			return err
		}
	}
	return nil
}

// seeFile names hakeep.toml(5) among the other pages.
func seeFile(page []byte) []byte {
	const heading = ".SH SEE ALSO\n"
	if !bytes.Contains(page, []byte(heading)) {
		return append(page, heading+"\\fBhakeep.toml(5)\\fP\n"...)
	}
	return bytes.Replace(page, []byte(heading), []byte(heading+"\\fBhakeep.toml(5)\\fP,\n"), 1)
}

// Date is the date of the pages: that of SOURCE_DATE_EPOCH, seconds since 1970,
// so that builds of one source are the same, or now if epoch is empty.
func Date(epoch string, now time.Time) (time.Time, error) {
	if epoch == "" {
		return now, nil
	}
	sec, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return now, fmt.Errorf("read SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(sec, 0), nil
}
