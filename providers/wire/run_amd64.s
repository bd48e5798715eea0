#include "textflag.h"

// Sixteen of each byte that is looked for; a control character is at most 0x1f.
DATA quotes16<>+0(SB)/8, $0x2222222222222222
DATA quotes16<>+8(SB)/8, $0x2222222222222222
GLOBL quotes16<>(SB), RODATA|NOPTR, $16
DATA slants16<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
DATA slants16<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL slants16<>(SB), RODATA|NOPTR, $16
DATA controls16<>+0(SB)/8, $0x1f1f1f1f1f1f1f1f
DATA controls16<>+8(SB)/8, $0x1f1f1f1f1f1f1f1f
GLOBL controls16<>(SB), RODATA|NOPTR, $16

// func run16(s string) (n int, high int)
// With SSE2, which every amd64 has. Of no byte outside s is anything read.
TEXT ·run16(SB), NOSPLIT, $0-32
	MOVQ  s_base+0(FP), SI
	MOVQ  s_len+8(FP), CX
	MOVOU quotes16<>(SB), X5
	MOVOU slants16<>(SB), X6
	MOVOU controls16<>(SB), X7
	PXOR  X4, X4           // all bytes seen
	MOVQ  SI, DI // of the block at hand
	SUBQ  $16, CX // what is left behind it
	JLT   end

block:
	MOVOU    (DI), X0
	POR      X0, X4
	MOVO     X0, X1
	MOVO     X0, X2
	MOVO     X0, X3
	PCMPEQB  X5, X1
	PCMPEQB  X6, X2
	PMINUB   X7, X3
	PCMPEQB  X0, X3
	POR      X2, X1
	POR      X3, X1
	PMOVMSKB X1, AX
	TESTL    AX, AX
	JNZ      found
	ADDQ     $16, DI
	SUBQ     $16, CX
	JGE      block

end:
	SUBQ     SI, DI
	MOVQ     DI, n+16(FP)
	PMOVMSKB X4, AX
	MOVQ     AX, high+24(FP)
	RET

found:
	BSFL     AX, AX
	ADDQ     DI, AX
	SUBQ     SI, AX
	MOVQ     AX, n+16(FP)
	PMOVMSKB X4, AX
	MOVQ     AX, high+24(FP)
	RET
