// BLAKE2b-256 against vectors of an independent implementation (Python's hashlib), at every block boundary.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tenon/runtime/cache/digest.h"

namespace tenon::runtime {
namespace {

std::string message(size_t length) {
  std::string text;
  for (size_t i = 0; i < length; i++) text += static_cast<char>((7 * i + 3) % 251);
  return text;
}

TEST(Digest, KnownVectors) {
  const std::map<size_t, std::string> vectors = {
      {0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
      {1, "e88bd757ad5b9bedf372d8d3f0cf6c962a469db61a265f6418e1ffed86da29ec"},
      {127, "7eb3d4fe699cedc52282a1c091627822fe7790ef178af8269c0261d367931246"},
      {128, "6afdad1409d770bce274b62a69123c97c86ffb40ce9708f3ff9ae4cbba8ba080"},
      {129, "69e98b10112e4b7ae396bfbddaee75cc5fe6a9dc1fffc2b11e7c0fc48de04ae5"},
      {255, "79133c6c55eafb6dd1aa1d75fe1622b86492ce7093b81ba85f29205f6d3a7a78"},
      {256, "fabff1fa6173588d4cecdeade31b3237760d62664249e44f621deba4b94367ad"},
      {257, "c069dcc3628f1598cd4f058da809c5f1c3a4ad536acd12dc514bcc0753f71f8c"},
      {20000, "9e637255c6aaf6e8aeed742e21118405c6e657f4a455e3ba1b4341c2c209486e"}};
  for (const auto& [length, expected] : vectors) EXPECT_EQ(hex(digest(message(length))), expected) << length;
  EXPECT_EQ(hex(digest("abc")), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

TEST(Digest, EveryLengthToSixHundred) {  // the digest of their digests
  Digest all;
  for (size_t length = 0; length < 600; length++) {
    const DigestBytes one = digest(message(length));
    all.update({reinterpret_cast<const char*>(one.data()), one.size()});
  }
  EXPECT_EQ(hex(all.finish()), "03030e56a4559ddb19f90d667af7e03eb0b71c0cae78c3623f3aa937191d94eb");
}

TEST(Digest, DivisionIntoUpdatesDoesNotMatter) {
  const std::string text = message(700);
  for (size_t cut = 0; cut <= text.size(); cut++) {
    Digest parts;
    parts.update(text.substr(0, cut)).update("").update(text.substr(cut));
    ASSERT_EQ(parts.finish(), digest(text)) << cut;
  }
}

}  // namespace
}  // namespace tenon::runtime
