/* A library whose function is so short that calling it is most of the work. */
__attribute__((noipa)) unsigned long tiny(unsigned long x)
{
	return x * 3 + 1;
}
