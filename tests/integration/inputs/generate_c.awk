# SPDX-License-Identifier: MIT
# Writes a deterministic C program: `files` source files with `functions` functions each, a Makefile and a main that
# calls all of them, prints some results and their sum.
function put(line) { print line >file }
function name(f, k) { return sprintf("f%02d_%03d", f, k) }
function other() { return "c[(i + " next_number(16) ") & 15]" }
function next_number(below) { seed = (seed * 1103515245 + 12345) % 2147483648; return int(seed / 65536) % below }

function function_body(f, k, s) {
    put("")
    put("static const unsigned table_" k "[8] = {" next_number(9000) ", " next_number(9000) ", 3, 4, 5, 6, 7, 8};")
    put("unsigned " name(f, k) "(unsigned n, const struct item *items)")
    put("{")
    put("    unsigned c[16] = {n, " next_number(100) "u}, i;")
    for (s = 0; s < 3; s++) {
        put("    for (i = 0; i < 16; i++) {")
        put("        c[i] += " other() " * " next_number(1000) "u + table_" k "[(i ^ " next_number(8) ") & 7];")
        put("        if (c[i] % " 2 + next_number(7) " == 1)")
        put("            c[i] ^= items[(c[i] >> 3) % 32].value << (i & 3);")
        put("    }")
    }
    put("    switch (c[n & 15] % 4) {")
    put("    case 0: return c[1] + c[2];")
    put("    case 1: return " (k ? name(f, k - 1) "(c[3] & 7, items)" : "c[3]") ";")
    put("    default: break;")
    put("    }")
    put("    return items[c[4] % 32].name[0] + c[5];")
    put("}")
}

function source_file(f, k) {
    file = sprintf("%s/f%02d.c", dir, f)
    put("#include \"program.h\"")
    for (k = 0; k < functions; k++) function_body(f, k)
    close(file)
}

function header(f, k) {
    file = dir "/program.h"
    put("#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>")
    put("struct item { unsigned value; char name[12]; struct item *next; };")
    for (f = 0; f < files; f++) for (k = 0; k < functions; k++)
        put("unsigned " name(f, k) "(unsigned n, const struct item *items);")
    close(file)
}

function main_file(f, k) {
    file = dir "/main.c"
    put("#include \"program.h\"")
    put("typedef unsigned (*function)(unsigned, const struct item *);")
    put("static const function all[] = {")
    for (f = 0; f < files; f++) for (k = 0; k < functions; k++) put("    " name(f, k) ",")
    put("};")
    put("int main(void)\n{\n    static struct item items[32];\n    unsigned sum = 0, i;")
    put("    for (i = 0; i < 32; i++) {\n        items[i].value = i * 2654435761u;")
    put("        snprintf(items[i].name, 12, \"i%u\", i);\n    }")
    put("    for (i = 0; i < sizeof all / sizeof all[0]; i++) {")
    put("        unsigned r = all[i](i, items);\n        sum = sum * 31 + r;")
    put("        if (i % 50 == 0)\n            printf(\"%u: %u\\n\", i, r);\n    }")
    put("    printf(\"sum %u\\n\", sum);\n    return 0;\n}")
    close(file)
}

function makefile(f) {
    file = dir "/Makefile"
    put("OBJECTS := main.o " list)
    put("program: $(OBJECTS)\n\t$(CC) -o $@ $^")
    put("$(OBJECTS): program.h")
    put("clean:\n\trm -f program *.o")
    close(file)
}

BEGIN {
    seed = 42
    for (i = 0; i < files; i++) list = list sprintf(" f%02d.o", i)
    header()
    for (i = 0; i < files; i++) source_file(i)
    main_file()
    makefile()
}
