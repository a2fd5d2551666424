// One all_gather of records of one size, asked of the engine itself: no program is compiled to say that something failed.
#include "tenon/frontend/dist/agreement.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "tenon/runtime/ranks.h"

namespace tenon::dist {
namespace {

constexpr size_t most_text = 400;
struct Record {  // all bytes of it are sent
  int64_t first, second;
  uint64_t length;
  uint8_t what, rest[7];
  uint8_t digest[32];
  char text[most_text];
};
static_assert(sizeof(Record) == 24 + 8 + 32 + most_text);

Record packed(const Saying& s) {
  Record r;
  std::memset(&r, 0, sizeof r);
  r.first = s.first, r.second = s.second, r.what = s.what;
  r.length = std::min(s.text.size(), most_text);
  std::copy(s.digest.begin(), s.digest.end(), r.digest);
  std::memcpy(r.text, s.text.data(), r.length);
  return r;
}

Saying unpacked(const Record& r) {
  Saying s;
  s.what = static_cast<Saying::What>(r.what), s.first = r.first, s.second = r.second;
  std::copy(std::begin(r.digest), std::end(r.digest), s.digest.begin());
  s.text.assign(r.text, std::min<size_t>(r.length, most_text));
  return s;
}

}  // namespace

std::vector<Saying> said_by_all(const Saying& own, const Group& group, const std::string& where) {
  const tenon_ranks* ranks = runtime::current_ranks();
  if (ranks->rank / group.stride() % group.size() != group.rank() || ranks->size < group.size())
    throw Error("the group '" + group.name() + "' is of another world than this thread's");
  const Record mine = packed(own);
  std::vector<Record> all(static_cast<size_t>(group.size()));
  if (group.size() == 1) {
    all[0] = mine;
  } else {
    runtime::gather_bytes(ranks, group.size(), group.stride(), std::as_bytes(std::span(&mine, 1)), all.data(),
                          where.c_str());
  }
  std::vector<Saying> said;
  for (const Record& r : all) said.push_back(unpacked(r));
  return said;
}

int worst_of(const std::vector<Saying>& said) {
  int worst = -1;
  for (size_t i = 0; i < said.size(); ++i)
    if (said[i].what > (worst < 0 ? Saying::fine : said[static_cast<size_t>(worst)].what)) worst = static_cast<int>(i);
  return worst;
}

}  // namespace tenon::dist
