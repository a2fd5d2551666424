# Makes tests of the C++ blocks in a document that follow a line <!-- run -->: each is the body of one test, and a line
#   expression   // => what it prints
# compares the two, white space aside.
BEGIN { print "#include \"tenon/tests/document_examples.h\"\n" }
FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\.md$/, "", name) }
/^<!-- run -->$/ { marked = 1; next }
/^```cpp$/ { if (marked) { print "TEST(DocumentExamples, " name "Line" FNR ") {\n#line " FNR + 1 " \"" FILENAME "\""; inside = 1 } marked = 0; next }
/^```$/ { if (inside) print "}\n"; inside = 0; next }
inside {
  at = index($0, "// => ")
  if (at == 0) { print; next }
  expression = substr($0, 1, at - 1)
  expected = substr($0, at + 6)
  gsub(/"/, "\\\"", expected)
  print "EXPECT_EQ(tenon::testing::shown(" expression "), tenon::testing::spaced(\"" expected "\"));"
}
