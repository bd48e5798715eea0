package cmd

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// docsCommand writes the reference of the command line from the command tree itself:
// packages install the man pages, and docs/cli.md is the page.
func (a *app) docsCommand() *cobra.Command {
	c := newGroup("docs", "Write the reference of the command line")
	c.Hidden = true
	c.AddCommand(
		&cobra.Command{
			Use: "man DIR", Short: "Write a man page of every command into a folder", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				if err := os.MkdirAll(args[0], 0o755); err != nil {
					return errorf("cannot make the folder: %w", err)
				}
				root := inEnglish()
				root.DisableAutoGenTag = true
				header := &doc.GenManHeader{Title: "AI-GATEWAY", Section: "1", Source: "ai-gateway " + Version, Manual: "ai-gateway"}
				if err := doc.GenManTree(root, header, args[0]); err != nil {
					return errorf("cannot write the man pages: %w", err)
				}
				return nil
			},
		},
		&cobra.Command{
			Use: "md", Short: "Print the reference as one page of Markdown", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := a.stdout.Write(reference(inEnglish()))
				return err
			},
		},
	)
	return c
}

// inEnglish is the command tree as it is written.
func inEnglish() *cobra.Command { return newRoot(&app{env: map[string]string{}, now: time.Now}) }

const referenceHead = "# Command line\n\n" +
	"Written by `ai-gateway docs md` from the commands themselves. " +
	"`ai-gateway docs man DIR` writes man pages, `ai-gateway completion bash|zsh|fish|powershell` completes models, accounts and keys, too.\n\n" +
	"Results go to standard output (`-o table|json|jsonl|csv`), everything else to standard error. JSON and CSV are stable, tables are for people.\n\n"

// reference writes all commands as one page.
func reference(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	var list func(c *cobra.Command)
	list = func(c *cobra.Command) {
		if shownInDocs(c) && c != root && c.Runnable() && !isGroup(c) {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", strings.TrimPrefix(c.CommandPath(), root.Name()+" "), strings.ReplaceAll(c.CommandPath(), " ", "-"), strings.ReplaceAll(c.Short, "|", `\|`))
		}
		for _, sub := range shownCommands(c) {
			list(sub)
		}
	}
	b.WriteString("| command | what it does |\n|---|---|\n")
	list(root)
	b.WriteString("\n## For every command\n\n")
	flagTable(&b, root.PersistentFlags())
	fmt.Fprintf(&b, "## Exit codes\n\n```\n%s\n```\n\n", dedent(strings.TrimPrefix(exitCodesText, "Exit codes of ai-gateway:\n\n")))
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		if shownInDocs(c) && c != root && (!isGroup(c) || c.Long != "") {
			describe(&b, c)
		}
		for _, sub := range shownCommands(c) {
			each(sub)
		}
	}
	each(root)
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

func describe(b *bytes.Buffer, c *cobra.Command) {
	fmt.Fprintf(b, "## %s\n\n", c.CommandPath())
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(b, "```\n%s\n```\n\n%s\n\n", c.UseLine(), markdown(text))
	if len(c.Aliases) > 0 {
		fmt.Fprintf(b, "Also: `%s`.\n\n", strings.Join(c.Aliases, "`, `"))
	}
	if c.Example != "" {
		fmt.Fprintf(b, "```bash\n%s\n```\n\n", dedent(c.Example))
	}
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.AddFlagSet(c.NonInheritedFlags())
	flagTable(b, own)
}

// markdown keeps indented lines of help as they stand.
func markdown(text string) string {
	var b strings.Builder
	code := false
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != code && (indented || line != "") {
			b.WriteString("```\n")
			code = indented
		}
		if !code {
			line = strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(line)
		}
		b.WriteString(line + "\n")
	}
	if code {
		b.WriteString("```\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func dedent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

func flagTable(b *bytes.Buffer, flags *pflag.FlagSet) {
	any := false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if !any {
			b.WriteString("| flag | meaning |\n|---|---|\n")
			any = true
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		kind, usage := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += " (default `" + f.DefValue + "`)"
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(usage))
	})
	if any {
		b.WriteString("\n")
	}
}

// isGroup reports whether c only holds other commands.
func isGroup(c *cobra.Command) bool {
	return c.HasSubCommands() && c.Annotations[groupMark] != ""
}

func shownInDocs(c *cobra.Command) bool {
	return !c.Hidden && c.Name() != "help" && c.Name() != "completion"
}

func shownCommands(c *cobra.Command) []*cobra.Command {
	if !shownInDocs(c) {
		return nil
	}
	return c.Commands()
}
