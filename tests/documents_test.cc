// Holds what the documents say of the tree: every file that they name is there, ARCHITECTURE.md stays short, and its two walks
// are as short as they promise. Says nothing of whether the words are true.
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tenon/tests/source_tree.h"

namespace tenon::testing {
namespace {

std::vector<std::string> files_named_in(const std::string& text) {
  static const std::regex file("[A-Za-z0-9_/]*[a-z0-9_]\\.(cc|def|h)\\b");
  std::vector<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), file), end; it != end; ++it)
    if (it->str()[0] != '_') names.push_back(it->str());  // not of *_test.cc
  return names;
}

// The paragraph that begins with `mark`.
std::string paragraph(const std::string& text, const std::string& mark) {
  const size_t begin = text.find(mark);
  return begin == std::string::npos ? "" : text.substr(begin, text.find("\n\n", begin) - begin);
}

const std::vector<SourceFile>& tree() {
  static const std::vector<SourceFile> files = source_tree();
  return files;
}

// Whether a path of the tree ends with the name, folder by folder.
bool exists(const std::string& name) {
  return std::any_of(tree().begin(), tree().end(), [&](const SourceFile& f) {
    return f.path == name || (f.path.size() > name.size() && f.path.ends_with("/" + name));
  });
}

const std::string& architecture() {
  for (const SourceFile& f : tree())
    if (f.path == "ARCHITECTURE.md") return f.text;
  static const std::string none;
  return none;
}

TEST(Documents, RulesRefuseWhatTheyShould) {
  EXPECT_EQ(files_named_in("see `ir/op.h`, ops.def and README.md"), (std::vector<std::string>{"ir/op.h", "ops.def"}));
  EXPECT_TRUE(exists("ir/op.h") && exists("op.h"));
  EXPECT_FALSE(exists("p.h") || exists("ir/no_such_file.cc"));
  EXPECT_EQ(paragraph("a\n\n**b** c\nd\n\ne", "**b**"), "**b** c\nd");
}

TEST(Documents, ArchitectureNamesFilesThatAreThere) {
  for (const std::string& name : files_named_in(architecture()))
    EXPECT_TRUE(exists(name)) << "ARCHITECTURE.md names " << name;
}

TEST(Documents, ArchitectureIsShort) {
  EXPECT_LE(std::count(architecture().begin(), architecture().end(), '\n'), 150);
  for (const auto& [mark, most] :
       {std::pair{"**The walk of `a + b`**", 25}, std::pair{"**The walk of softmax**", 22}}) {
    const std::vector<std::string> walk = files_named_in(paragraph(architecture(), mark));
    EXPECT_GT(walk.size(), 10u) << mark;
    EXPECT_LE(walk.size(), static_cast<size_t>(most)) << mark;
  }
}

// docs/functions.md has a row for every line of frontend/ops/functions and every function of the headers beside it, and no others.
TEST(Documents, FunctionsAreListedByName) {
  const std::regex line(R"-((?:^|\n)TENON_(?:ROW\(|FUNCTION\([\w:<>, ]+?, |REDUCTION\()(\w+)[,)])-");
  const std::regex row(R"-(\n\| `tn::((?:\w+::)*)(\w+)` \|)-");
  const std::regex declared(
      R"-((?:^|\n)(?:inline )?(?:Tensor|TensorPair|Lu|Qr|Eigh|Svd|Lstsq|SlogDet|LuFactor) (\w+)\()-");
  std::set<std::string> listed, wanted;
  std::string headers;
  const auto add = [](std::set<std::string>& to, const std::string& text, const std::regex& what, size_t group) {
    for (std::sregex_iterator it(text.begin(), text.end(), what), end; it != end; ++it) to.insert((*it)[group]);
  };
  for (const SourceFile& f : tree()) {
    if (f.path == "docs/functions.md") add(listed, f.text, row, 2);
    if (f.path.starts_with("frontend/ops/functions/")) add(wanted, f.text, line, 1);
    for (const char* header : {"frontend/linalg/linalg.h", "frontend/random/random.h", "frontend/ops/shapes.h",
                               "frontend/ops/complex.h", "frontend/ops/fft.h"})
      if (f.path == header) add(wanted, f.text, declared, 1);
    if (f.path.starts_with("frontend/")) headers += f.text;
  }
  EXPECT_GT(wanted.size(), 300u);
  for (const std::string& name : wanted)
    EXPECT_TRUE(listed.contains(name)) << name << " has no row in docs/functions.md";
  for (const std::string& name : listed)
    EXPECT_TRUE(std::regex_search(headers, std::regex("\\b" + name + "\\b"))) << "there is no " << name;
}

}  // namespace
}  // namespace tenon::testing
