package importer

import (
	"reflect"
	"strings"
	"testing"
)

func TestDump(t *testing.T) {
	f := func(text string, want []row) {
		t.Helper()
		d, err := readDump(strings.NewReader(text), []string{"t"})
		if err != nil || !reflect.DeepEqual(d["t"], want) {
			t.Errorf("%s\n%v, %v; want %v", text, d["t"], err, want)
		}
	}
	const table = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'a, `b` (c);',\n  `key` char(48) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `uk` (`key`,`id`)\n) ENGINE=InnoDB;\n"
	f(table+"INSERT INTO `t` VALUES (1,'a'),(-2,NULL);", []row{{"id": "1", "key": "a"}, {"id": "-2", "key": nil}})
	f(table+"INSERT INTO `t` VALUES (1,'a;b\\'c''d\\n\\\\');\nINSERT INTO `u` VALUES ('x;','y');", []row{{"id": "1", "key": "a;b'c'd\n\\"}})
	f("/*!50503 SET x='a */;\n-- it's a comment\n# and 'this\n"+table+"LOCK TABLES `t` WRITE;\nINSERT INTO `db`.`t` (`key`, `id`) VALUES (_binary 'k',7);", []row{{"id": "7", "key": "k"}})
	f("DROP TABLE IF EXISTS `t`;"+table, nil)
	f("insert into t (id) values (1.5e3),('')", []row{{"id": "1.5e3"}, {"id": ""}})

	f(table+"INSERT INTO `t` VALUES (0x31,x'6162'),(X'32',_utf8mb4'ä'),(b'101',N'n');", []row{{"id": "1", "key": "ab"}, {"id": "2", "key": "ä"}, {"id": "5", "key": "n"}})
	f("\xef\xbb\xbf-- it's marked as UTF-8\n"+table+"INSERT INTO `t` VALUES (1,'a');", []row{{"id": "1", "key": "a"}})
	f("CREATE TABLE \"t\" (\"id\" int, \"key\" text, PRIMARY KEY (\"id\"));INSERT INTO \"t\" VALUES (1,'a');INSERT INTO \"t\" (\"key\") VALUES ('b');", []row{{"id": "1", "key": "a"}, {"key": "b"}})
	f(table+"DELIMITER ;;\nCREATE PROCEDURE `p`() BEGIN INSERT INTO `t` VALUES (9,'of a procedure'); END ;;\nDELIMITER ;\nINSERT INTO `t` VALUES (1,'a');", []row{{"id": "1", "key": "a"}})
	f("USE `one`;\n"+table+"INSERT INTO `t` VALUES (1,'a');\nUSE `other`;\nCREATE TABLE `u` (`id` int);\nINSERT INTO `u` VALUES (2);", []row{{"id": "1", "key": "a"}})

	bad := func(text, want string) {
		t.Helper()
		if _, err := readDump(strings.NewReader(text), []string{"t"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	bad("", "none of the tables t")
	bad("INSERT INTO `t` VALUES (1)", "names no columns")
	bad(table+"INSERT INTO `t` VALUES (1)", "1 values for 2 columns")
	bad(table+"INSERT INTO `t` VALUES (1,2,3)", "more values than columns")
	bad(table+"INSERT INTO `t` VALUES (1,'a", "not closed")
	bad("CREATE TABLE `t` (`id`", "does not end")
	bad("USE `one`;\n"+table+"USE `other`;\n"+table, `the table t of two databases, "one" and "other"`)
	bad(table+"INSERT INTO `db`.`t` VALUES (1,'a');INSERT INTO `db2`.`t` VALUES (1,'a');", `two databases, "db" and "db2"`)
	bad(table+"INSERT INTO `t` VALUES (0xZZ,'a');", "a value of t.id cannot be read")
	bad("SET statement_timeout = 0;\nSET standard_conforming_strings = on;\nINSERT INTO public.t VALUES (1);", "dump of Postgres")
}

func FuzzDump(f *testing.F) {
	f.Add("CREATE TABLE `t` (`a` int);INSERT INTO `t` VALUES (1),('x\\'');")
	f.Add("/*x*/insert into t(a)values(NULL)--\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := readDump(strings.NewReader(text), []string{"t"})
		if err == nil && len(d) == 0 {
			t.Error("neither a table nor an error")
		}
	})
}

func TestWindow(t *testing.T) {
	f := func(in, want string, exact bool) {
		t.Helper()
		if got, ok := window(in); got != want || ok != exact {
			t.Errorf("%q is %s, %v", in, got, ok)
		}
	}
	f("", "total", true)
	f("1h", "hour", true)
	f("60m", "hour", true)
	f("30s", "hour", false)
	f("24h", "day", true)
	f("1d", "day", true)
	f("7d", "week", true)
	f("1w", "week", true)
	f("14d", "month", false)
	f("30d", "month", true)
	f("1mo", "month", true)
	f("90d", "total", false)
	f("soon", "total", false)
}

func TestMoney(t *testing.T) {
	if got := points(1); got != "0.000002" {
		t.Errorf("a point is %s USD", got)
	}
	if got := points(500_000); got != "1" {
		t.Errorf("500,000 points are %s USD", got)
	}
	if got := usd(number("0.1234567899")); got != "0.123456789" {
		t.Errorf("not rounded down: %s", got)
	}
	for _, text := range []string{"1/3", "0x10", "1e999", "", "nan", "Inf"} {
		if number(text) != nil {
			t.Errorf("%q is a number", text)
		}
	}
}
