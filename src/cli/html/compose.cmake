# SPDX-License-Identifier: MIT
# Makes the page of report --html: style and script go into page.html, which names the hashes of both, so that a browser runs
# nothing else in it.
#   cmake -DFOLDER=... -DSCRIPTS=a.js,b.js -DOUTPUT=page.html -P compose.cmake
cmake_minimum_required(VERSION 3.25)

# The SHA-256 of a text as base64: 64 hexadecimal digits, three of which make two characters; the last one stands alone.
function(hash_of text result)
  set(digits "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  string(SHA256 hash "${text}")
  set(hash "${hash}00")
  set(spelled "")
  foreach(at RANGE 0 63 3)
    string(SUBSTRING "${hash}" ${at} 3 three)
    math(EXPR high "0x${three} >> 6")
    math(EXPR low "0x${three} & 63")
    string(SUBSTRING "${digits}" ${high} 1 first)
    string(SUBSTRING "${digits}" ${low} 1 second)
    string(APPEND spelled "${first}${second}")
  endforeach()
  string(SUBSTRING "${spelled}" 0 43 spelled)
  set(${result} "${spelled}=" PARENT_SCOPE)
endfunction()

file(READ "${FOLDER}/page.html" page)
file(READ "${FOLDER}/page.css" style)
string(REPLACE "," ";" SCRIPTS "${SCRIPTS}")
set(script "'use strict';\n(() => {\n")
foreach(name ${SCRIPTS})
  file(READ "${FOLDER}/script/${name}" part)
  string(APPEND script "${part}")
endforeach()
string(APPEND script "})();\n")
string(REGEX REPLACE "^/\\*[^\n]*\\*/\n" "" style "${style}")

# Nobody reads it there: the indentation is a tenth of the page. No text of the scripts goes over the end of a line.
string(REGEX REPLACE "\n +" "\n" style "${style}")
string(REGEX REPLACE "\n +" "\n" script "${script}")

hash_of("${style}" style_hash)
hash_of("${script}" script_hash)
string(REPLACE "@STYLE_HASH@" "${style_hash}" page "${page}")
string(REPLACE "@SCRIPT_HASH@" "${script_hash}" page "${page}")
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")

file(WRITE "${OUTPUT}" "${page}")
