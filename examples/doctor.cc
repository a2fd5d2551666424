// Says what Tenon finds on this machine, and what to do about what it does not.
#include <tenon/tenon.h>

#include <iostream>

int main() { std::cout << tenon::doctor(); }
