# SPDX-License-Identifier: MIT
# A file as text of a C program: cmake -DINPUT=FILE -DOUTPUT=FILE.c -DNAME=IDENTIFIER -P embed.cmake
# makes `const char IDENTIFIER[]` with a zero byte behind the file's content.
file(READ "${INPUT}" digits HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${digits}")
string(REGEX REPLACE "((,?'[^']*'){16},)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUTPUT}" "extern const char ${NAME}[];\nconst char ${NAME}[] = {\n${bytes}'\\0'};\n")
