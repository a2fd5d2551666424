// npz archives: NumPy's own bytes, ours, compressed and not, and what ZIP files may and may not be. More of what is wrong with files is in
// hostile_files_test.cc.
#include <gtest/gtest.h>
#include <tenon/tenon.h>

#include <complex>
#include <cstring>
#include <filesystem>

#include "tenon/runtime/zip.h"
#include "tenon/tests/files.h"
#include "tenon/tests/hostile_files.h"
#include "tenon/tests/messages.h"
#include "tenon/tests/temporary_folder.h"

namespace tenon::testing {
namespace {

// numpy.savez_compressed(f, a=a, b=b), NumPy 1.24: a is f4[5, 8] of 3 but a[2, 3] = -1, b is >i2[2, 3] of 0 to 5 in Fortran order.
const char* const compressed =
    "504b030414000000080000002100e98375e8530000002001000005001400612e6e707901001000200100000000000053000000000000009b"
    "ec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9366a2aea3a09e965f54529498179f5f94920a12774bcc294e058a17672416a402f91a"
    "a63a0a169a3a0ab50a64032e06060707eae186fdd435cfc10100504b030414000000080000002100e11efaa8510000008c00000005001400"
    "622e6e7079010010008c0000000000000051000000000000009bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a06e9769a4aea3a09e965f"
    "54529498179f5f94920a120f292a4d050a17672416a402b91a463a0ac69a3a0ab50ae4032e06060666064606160626065600504b01021403"
    "14000000080000002100e98375e85300000020010000050000000000000000000000800100000000612e6e7079504b010214031400000008"
    "0000002100e11efaa8510000008c00000005000000000000000000000080018a000000622e6e7079504b0506000000000200020066000000"
    "120100000000";
// zipfile.ZipFile over a stream that cannot seek, so that sizes and checksum follow the member: c.npy is complex128[] 2+3j.
const char* const streamed =
    "504b03041400080008000000210000000000000000000000000005000000632e6e70799bec17ea1b10c9c850c650ad9e925a9c5ca46ea5a0"
    "6e936c68a6aea3a09e965f54529498179f5f94920a92704bcc294e058a17672416a402f91a9a3a0ab50a94002e06087080501c0e00504b07"
    "0831e91cfe4a00000090000000504b010214031400080008000000210031e91cfe4a00000090000000050000000000000000000000800100"
    "000000632e6e7079504b05060000000001000100330000007d0000000000";

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

class Npz : public ::testing::Test {
 protected:
  ~Npz() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& bytes) const {
    write_file(folder_ + "/x.npz", bytes);
    return folder_ + "/x.npz";
  }
  const std::string folder_ = temporary_folder("npz");
};

TEST_F(Npz, WhatNumPyWrites) {
  const std::map<std::string, Tensor> all = load_npz(file(from_hex(compressed)));
  ASSERT_EQ(all.size(), 2u);
  std::vector<float> a(40, 3);
  a[2 * 8 + 3] = -1;
  EXPECT_EQ(all.at("a").shape(), Shape({5, 8}));
  EXPECT_EQ(all.at("a").to_vector(), a);
  EXPECT_EQ(all.at("b").dtype(), i16);
  EXPECT_EQ(all.at("b").shape(), Shape({2, 3}));
  EXPECT_EQ(all.at("b").to_vector<int>(), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  const Tensor c = load_npz(file(from_hex(streamed))).at("c");
  EXPECT_EQ(c.dtype(), c128);
  EXPECT_EQ(c.item<std::complex<double>>(), (std::complex<double>{2, 3}));
}

struct Layer {
  Tensor w, b;
};
struct Model {
  std::vector<Layer> layers;
  int width = 3;
};

TEST_F(Npz, EveryDtypeGoesRoundAndEqualTreesGiveEqualBytes) {
  std::map<std::string, Tensor> all;
  for (int t = 0; t < dtype_count; ++t) {
    const auto dtype = static_cast<DType>(t);
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {0, 3}, {2, 3}, {1, 1, 5}}) {
      std::string bytes(16 * 6, '\0');
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(dtype == boolean ? i % 2 : i * 37 + 1);
      all[std::string(name(dtype)) + "/" + std::to_string(shape.size())] = copy_from(bytes.data(), shape, dtype);
    }
  }
  for (const bool compress : {false, true}) {
    save_npz(folder_ + "/a", all, {.compress = compress});
    const std::map<std::string, Tensor> back = load_npz(folder_ + "/a");
    ASSERT_EQ(back.size(), all.size());
    for (const auto& [name, t] : all) {
      EXPECT_EQ(back.at(name).dtype(), t.dtype()) << name;
      EXPECT_EQ(back.at(name).shape(), t.shape()) << name;
      EXPECT_EQ(std::memcmp(back.at(name).raw(), t.raw(), static_cast<size_t>(int64_t(t.numel()) * bytes(t.dtype()))),
                0);
    }
    save_npz(folder_ + "/b", back, {.compress = compress});
    EXPECT_EQ(read_file(folder_ + "/a"), read_file(folder_ + "/b"));
  }
  // Trees go by their paths; one tensor as numpy.savez(f, x).
  save_npz(folder_ + "/t", Model{{{ones({2}), zeros({1})}, {ones({3}), Tensor()}}});
  std::string names;
  for (const auto& [name, t] : load_npz(folder_ + "/t")) names += name + " ";
  EXPECT_EQ(names, "layers[0].b layers[0].w layers[1].w ");
  save_npz(folder_ + "/t", ones({2}));
  EXPECT_EQ(load_npz(folder_ + "/t").begin()->first, "arr_0");
  save_npz(folder_ + "/t", std::map<std::string, Tensor>());
  EXPECT_TRUE(load_npz(folder_ + "/t").empty());
}

TEST_F(Npz, RefusesWithAReason) {
  const auto said = [&](const std::string& bytes) { return message_of([&] { load_npz(file(bytes)); }); };
  EXPECT_HAS(said("PK"), "no ZIP archive");
  EXPECT_HAS(said(std::string(100, 'x')), "the directory's end is missing");
  const std::string good = from_hex(streamed);
  EXPECT_HAS(said(with(good, 50, "!")), "damaged");
  EXPECT_HAS(said(with(good, 125 + 16, "!")), "checksum");  // of the directory's entry
  const auto unpacked = [&](const std::string& bytes) {
    return message_of([&] {
      const runtime::ZipFile archive(file(bytes), "npz file");
      const runtime::ZipEntry& e = archive.entries().front();
      runtime::ZipMember member(archive, e);
      member.read(std::string(e.bytes, ' ').data(), e.bytes);
      member.finish();
    });
  };
  EXPECT_EQ(unpacked(good), "no error");
  EXPECT_HAS(unpacked(with(good, 125 + 24, "\x91")), "declares 145 bytes and has 144");
  EXPECT_HAS(unpacked(with(good, 125 + 24, "\x8f")), "inflates to more than the 143 bytes");
  EXPECT_HAS(said(with(good, 125 + 8, "\x09")), "encrypted");
  EXPECT_HAS(said(with(good, 125 + 10, "\x0c")), "method 12");
  EXPECT_HAS(said(with(good, 30, "d")), "called 'd.npy' in its own header");
  EXPECT_HAS(said(with(with(good, 31, "x"), 125 + 47, "x")), "not called NAME.npy");
  runtime::ZipWriter twice(folder_ + "/x.npz", "npz file");
  for (int i = 0; i < 2; ++i) twice.add("a.npy", "1", "2", false);
  twice.finish();
  EXPECT_HAS(message_of([&] { load_npz(folder_ + "/x.npz"); }), "'a.npy' stands twice");
  save_npz(folder_ + "/big", zeros({1 << 20}), {.compress = true});
  EXPECT_HAS(message_of([&] { load_npz(folder_ + "/big", {.most_bytes = 1 << 20}); }), ".most_bytes");
  EXPECT_EQ(load_npz(folder_ + "/big", {.most_bytes = 5 << 20}).at("arr_0").numel(), 1 << 20);
  EXPECT_HAS(message_of([&] {
               save_npz(folder_ + "/no", std::map<std::string, Tensor>{{std::string("a\0b", 3), ones({1})}});
             }),
             "no name for a member");
  EXPECT_HAS(message_of([&] { save_npz(folder_ + "/no/no", ones({1})); }), "No such file");
  EXPECT_HAS(message_of([&] { load_npz(folder_ + "/no"); }), "No such file");
  EXPECT_HAS(message_of([&] { save_npz(folder_ + "/no", spec({2}, f32)); }), "npz_test.cc");
}

}  // namespace
}  // namespace tenon::testing
