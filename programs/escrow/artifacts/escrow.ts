/**
 * The program's interface with names in camelCase, as the client sees it.
 *
 * This is a type only; the interface itself is in `target/idl/escrow.json`.
 */
export type Escrow = {
  address: "FSYL7pJUxeZnou43ozsVScWPvh32ScJ7p8Hu3UT8Fw78",
  metadata: {
    name: "escrow",
    version: "0.1.0",
    spec: "0.1.0",
    description: "Escrow for paid answers: lamports wait until a signed answer is settled"
  },
  instructions: [
    {
      name: "answer",
      docs: [
        "Opens a challenged step."
      ],
      discriminator: [
        72,
        214,
        44,
        32,
        53,
        222,
        9,
        244
      ],
      accounts: [
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "provider.authority",
                account: "provider"
              }
            ]
          }
        },
        {
          name: "subject",
          accounts: [
            {
              name: "job",
              writable: true,
              optional: true
            },
            {
              name: "evidence",
              writable: true,
              optional: true
            },
            {
              name: "channel",
              writable: true,
              optional: true
            }
          ]
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "answerArgs"
            }
          }
        }
      ]
    },
    {
      name: "challenge",
      docs: [
        "Demands that the provider open steps of an answer."
      ],
      discriminator: [
        16,
        107,
        14,
        39,
        244,
        150,
        81,
        187
      ],
      accounts: [
        {
          name: "challenger",
          writable: true,
          signer: true
        },
        {
          name: "subject",
          accounts: [
            {
              name: "job",
              writable: true,
              optional: true
            },
            {
              name: "evidence",
              writable: true,
              optional: true
            },
            {
              name: "channel",
              writable: true,
              optional: true
            }
          ]
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "challengeArgs"
            }
          }
        }
      ]
    },
    {
      name: "channelClose",
      docs: [
        "Closes a channel at once, with the client's signed word that it objects to nothing."
      ],
      discriminator: [
        9,
        95,
        236,
        231,
        220,
        80,
        107,
        188
      ],
      accounts: [
        {
          name: "authority",
          signer: true
        },
        {
          name: "payer",
          writable: true,
          relations: [
            "channel"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "channel.provider",
                account: "channel"
              }
            ]
          }
        },
        {
          name: "channel",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "channelCloseArgs"
            }
          }
        }
      ]
    },
    {
      name: "channelFinish",
      docs: [
        "Ends a channel whose payer had its time to object."
      ],
      discriminator: [
        136,
        160,
        101,
        153,
        215,
        69,
        159,
        70
      ],
      accounts: [
        {
          name: "payer",
          writable: true,
          relations: [
            "channel"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "channel.provider",
                account: "channel"
              }
            ]
          }
        },
        {
          name: "incinerator",
          writable: true,
          address: "1nc1nerator11111111111111111111111111111111"
        },
        {
          name: "channel",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "channelOpen",
      docs: [
        "Locks a deposit for many answers."
      ],
      discriminator: [
        161,
        19,
        223,
        17,
        48,
        136,
        3,
        113
      ],
      accounts: [
        {
          name: "payer",
          writable: true,
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "provider.authority",
                account: "provider"
              }
            ]
          }
        },
        {
          name: "channel",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "channelOpenArgs"
            }
          }
        }
      ]
    },
    {
      name: "channelReject",
      docs: [
        "Objects to what is committed in a closing channel and not released."
      ],
      discriminator: [
        245,
        110,
        251,
        74,
        137,
        147,
        253,
        22
      ],
      accounts: [
        {
          name: "payer",
          signer: true,
          relations: [
            "channel"
          ]
        },
        {
          name: "channel",
          writable: true
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "channelRejectArgs"
            }
          }
        }
      ]
    },
    {
      name: "channelRequestClose",
      docs: [
        "Begins to close a channel without the other side."
      ],
      discriminator: [
        98,
        197,
        223,
        96,
        203,
        146,
        5,
        192
      ],
      accounts: [
        {
          name: "caller",
          docs: [
            "Payer or authority, or anyone once the channel has expired."
          ],
          signer: true
        },
        {
          name: "channel",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "channelSettle",
      docs: [
        "Takes in acknowledged totals and pays what is released."
      ],
      discriminator: [
        48,
        71,
        149,
        146,
        89,
        90,
        89,
        38
      ],
      accounts: [
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "channel.provider",
                account: "channel"
              }
            ]
          }
        },
        {
          name: "channel",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "channelSettleArgs"
            }
          }
        }
      ]
    },
    {
      name: "channelTopUp",
      docs: [
        "Adds to a channel's deposit."
      ],
      discriminator: [
        213,
        73,
        79,
        237,
        143,
        8,
        203,
        38
      ],
      accounts: [
        {
          name: "payer",
          writable: true,
          signer: true,
          relations: [
            "channel"
          ]
        },
        {
          name: "channel",
          writable: true
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "channelTopUpArgs"
            }
          }
        }
      ]
    },
    {
      name: "evidenceClose",
      docs: [
        "Gives the rent of an evidence back once its channel is gone."
      ],
      discriminator: [
        193,
        43,
        72,
        141,
        128,
        14,
        36,
        122
      ],
      accounts: [
        {
          name: "rentPayer",
          writable: true,
          signer: true,
          relations: [
            "evidence"
          ]
        },
        {
          name: "channel"
        },
        {
          name: "challenger",
          writable: true
        },
        {
          name: "evidence",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "evidenceCreate",
      docs: [
        "Keeps what is needed to prove something about one answer of a channel."
      ],
      discriminator: [
        111,
        130,
        53,
        228,
        119,
        6,
        10,
        210
      ],
      accounts: [
        {
          name: "rentPayer",
          writable: true,
          signer: true
        },
        {
          name: "channel"
        },
        {
          name: "evidence",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "evidenceCreateArgs"
            }
          }
        }
      ]
    },
    {
      name: "jobConfirm",
      docs: [
        "Pays for what was delivered."
      ],
      discriminator: [
        246,
        236,
        250,
        58,
        136,
        123,
        181,
        255
      ],
      accounts: [
        {
          name: "caller",
          docs: [
            "The client, or anyone once its time to object is over."
          ],
          signer: true
        },
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "jobCreate",
      docs: [
        "Locks lamports for an answer."
      ],
      discriminator: [
        56,
        13,
        177,
        118,
        175,
        158,
        29,
        183
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          signer: true
        },
        {
          name: "provider",
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "provider.authority",
                account: "provider"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "jobCreateArgs"
            }
          }
        }
      ]
    },
    {
      name: "jobRefund",
      docs: [
        "Gives everything back: the provider declines, or did not submit in time."
      ],
      discriminator: [
        44,
        59,
        103,
        166,
        229,
        44,
        202,
        230
      ],
      accounts: [
        {
          name: "caller",
          docs: [
            "The provider's authority, or anyone once the time for the delivery is over."
          ],
          signer: true
        },
        {
          name: "client",
          writable: true,
          relations: [
            "job"
          ]
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: []
    },
    {
      name: "jobReject",
      docs: [
        "Burns the payment for what was delivered."
      ],
      discriminator: [
        168,
        141,
        4,
        228,
        64,
        142,
        13,
        97
      ],
      accounts: [
        {
          name: "client",
          writable: true,
          signer: true,
          relations: [
            "job"
          ]
        },
        {
          name: "challenger",
          writable: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "incinerator",
          writable: true,
          address: "1nc1nerator11111111111111111111111111111111"
        },
        {
          name: "job",
          writable: true
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "jobRejectArgs"
            }
          }
        }
      ]
    },
    {
      name: "jobSubmit",
      docs: [
        "Submits what was delivered and acknowledged."
      ],
      discriminator: [
        7,
        149,
        178,
        233,
        159,
        132,
        86,
        33
      ],
      accounts: [
        {
          name: "authority",
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "job.provider",
                account: "job"
              }
            ]
          }
        },
        {
          name: "job",
          writable: true
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "jobSubmitArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerAddStake",
      docs: [
        "Adds to a provider's stake."
      ],
      discriminator: [
        234,
        113,
        152,
        36,
        96,
        152,
        108,
        251
      ],
      accounts: [
        {
          name: "payer",
          writable: true,
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "provider.authority",
                account: "provider"
              }
            ]
          }
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerAddStakeArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerRegister",
      docs: [
        "Registers a provider with its first stake. The node's key must have signed for this authority."
      ],
      discriminator: [
        185,
        15,
        121,
        136,
        182,
        164,
        89,
        32
      ],
      accounts: [
        {
          name: "authority",
          writable: true,
          signer: true
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "authority"
              }
            ]
          }
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        },
        {
          name: "systemProgram",
          address: "11111111111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerRegisterArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerRotatePeer",
      docs: [
        "Replaces the key of the provider's node. The new key must have signed for this authority."
      ],
      discriminator: [
        73,
        107,
        125,
        108,
        121,
        126,
        64,
        103
      ],
      accounts: [
        {
          name: "authority",
          signer: true,
          relations: [
            "provider"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "authority"
              }
            ]
          }
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerRotatePeerArgs"
            }
          }
        }
      ]
    },
    {
      name: "providerWithdraw",
      docs: [
        "Pays out free stake."
      ],
      discriminator: [
        58,
        126,
        168,
        66,
        6,
        165,
        115,
        3
      ],
      accounts: [
        {
          name: "authority",
          writable: true,
          signer: true,
          relations: [
            "provider"
          ]
        },
        {
          name: "provider",
          writable: true,
          pda: {
            seeds: [
              {
                kind: "const",
                value: [
                  112,
                  114,
                  111,
                  118,
                  105,
                  100,
                  101,
                  114
                ]
              },
              {
                kind: "account",
                path: "authority"
              }
            ]
          }
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "providerWithdrawArgs"
            }
          }
        }
      ]
    },
    {
      name: "slashEquivocation",
      docs: [
        "Slashes for signed heads that contradict each other or the delivery."
      ],
      discriminator: [
        20,
        87,
        239,
        196,
        234,
        109,
        43,
        138
      ],
      accounts: [
        {
          name: "slash",
          accounts: [
            {
              name: "funder",
              writable: true
            },
            {
              name: "challenger",
              writable: true
            },
            {
              name: "provider",
              writable: true,
              pda: {
                seeds: [
                  {
                    kind: "const",
                    value: [
                      112,
                      114,
                      111,
                      118,
                      105,
                      100,
                      101,
                      114
                    ]
                  },
                  {
                    kind: "account",
                    path: "provider.authority",
                    account: "provider"
                  }
                ]
              }
            },
            {
              name: "incinerator",
              writable: true,
              address: "1nc1nerator11111111111111111111111111111111"
            },
            {
              name: "subject",
              accounts: [
                {
                  name: "job",
                  writable: true,
                  optional: true
                },
                {
                  name: "evidence",
                  writable: true,
                  optional: true
                },
                {
                  name: "channel",
                  writable: true,
                  optional: true
                }
              ]
            }
          ]
        },
        {
          name: "instructions",
          address: "Sysvar1nstructions1111111111111111111111111"
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "slashEquivocationArgs"
            }
          }
        }
      ]
    },
    {
      name: "slashSampler",
      docs: [
        "Slashes for a committed step whose token was not drawn."
      ],
      discriminator: [
        42,
        151,
        144,
        33,
        114,
        24,
        135,
        126
      ],
      accounts: [
        {
          name: "slash",
          accounts: [
            {
              name: "funder",
              writable: true
            },
            {
              name: "challenger",
              writable: true
            },
            {
              name: "provider",
              writable: true,
              pda: {
                seeds: [
                  {
                    kind: "const",
                    value: [
                      112,
                      114,
                      111,
                      118,
                      105,
                      100,
                      101,
                      114
                    ]
                  },
                  {
                    kind: "account",
                    path: "provider.authority",
                    account: "provider"
                  }
                ]
              }
            },
            {
              name: "incinerator",
              writable: true,
              address: "1nc1nerator11111111111111111111111111111111"
            },
            {
              name: "subject",
              accounts: [
                {
                  name: "job",
                  writable: true,
                  optional: true
                },
                {
                  name: "evidence",
                  writable: true,
                  optional: true
                },
                {
                  name: "channel",
                  writable: true,
                  optional: true
                }
              ]
            }
          ]
        }
      ],
      args: [
        {
          name: "args",
          type: {
            defined: {
              name: "slashSamplerArgs"
            }
          }
        }
      ]
    },
    {
      name: "slashSilence",
      docs: [
        "Slashes for a challenge that was not answered in time."
      ],
      discriminator: [
        51,
        139,
        103,
        255,
        36,
        7,
        58,
        144
      ],
      accounts: [
        {
          name: "slash",
          accounts: [
            {
              name: "funder",
              writable: true
            },
            {
              name: "challenger",
              writable: true
            },
            {
              name: "provider",
              writable: true,
              pda: {
                seeds: [
                  {
                    kind: "const",
                    value: [
                      112,
                      114,
                      111,
                      118,
                      105,
                      100,
                      101,
                      114
                    ]
                  },
                  {
                    kind: "account",
                    path: "provider.authority",
                    account: "provider"
                  }
                ]
              }
            },
            {
              name: "incinerator",
              writable: true,
              address: "1nc1nerator11111111111111111111111111111111"
            },
            {
              name: "subject",
              accounts: [
                {
                  name: "job",
                  writable: true,
                  optional: true
                },
                {
                  name: "evidence",
                  writable: true,
                  optional: true
                },
                {
                  name: "channel",
                  writable: true,
                  optional: true
                }
              ]
            }
          ]
        }
      ],
      args: []
    }
  ],
  accounts: [
    {
      name: "channel",
      discriminator: [
        49,
        159,
        99,
        106,
        220,
        87,
        219,
        88
      ]
    },
    {
      name: "evidence",
      discriminator: [
        160,
        73,
        93,
        206,
        99,
        242,
        62,
        92
      ]
    },
    {
      name: "job",
      discriminator: [
        75,
        124,
        80,
        203,
        161,
        180,
        202,
        80
      ]
    },
    {
      name: "provider",
      discriminator: [
        164,
        180,
        71,
        17,
        75,
        216,
        80,
        195
      ]
    }
  ],
  types: [
    {
      docs: [
        "The provider opened `position`, and got its bond. `subject` is the address of the job or channel."
      ],
      name: "answered",
      type: {
        fields: [
          {
            name: "subject",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "position",
            type: "u32"
          },
          {
            name: "bond",
            type: "u64"
          },
          {
            name: "isOver",
            type: "bool"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The provider has to open `positions` of an answer. `subject` is the address of its job or channel."
      ],
      name: "challenged",
      type: {
        fields: [
          {
            name: "subject",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "challenger",
            type: "pubkey"
          },
          {
            name: "positions",
            type: {
              vec: "u32"
            }
          },
          {
            name: "due",
            type: "i64"
          },
          {
            name: "bond",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "Both sides were done: `paid` went to the provider now and `settled` in all, the rest went back."
      ],
      name: "channelClosed",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "paid",
            type: "u64"
          },
          {
            name: "settled",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "One side began to close."
      ],
      name: "channelClosing",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "caller",
            type: "pubkey"
          },
          {
            name: "closingAt",
            type: "i64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The payer's time to object ended: `paid` went to the provider now and `settled` in all, the rest went back."
      ],
      name: "channelFinished",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "paid",
            type: "u64"
          },
          {
            name: "settled",
            type: "u64"
          },
          {
            name: "burnt",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "`deposit` was locked, and the provider's stake for `window`."
      ],
      name: "channelOpened",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "deposit",
            type: "u64"
          },
          {
            name: "window",
            type: "u64"
          },
          {
            name: "expiresAt",
            type: "i64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The payer objected: what is committed and not released will be burnt."
      ],
      name: "channelRejected",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "verdictDigest",
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The channel knows these totals; `paid` went to the provider."
      ],
      name: "channelSettled",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "committed",
            type: "u64"
          },
          {
            name: "released",
            type: "u64"
          },
          {
            name: "paid",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "A fault was proved: `paid` went to the provider now and `settled` in all, which is what was released; the rest went",
        "back, and `compensation` from the stake."
      ],
      name: "channelSlashed",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "reason",
            type: {
              defined: {
                name: "slashReason"
              }
            }
          },
          {
            name: "paid",
            type: "u64"
          },
          {
            name: "settled",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          },
          {
            name: "compensation",
            type: "u64"
          },
          {
            name: "burnt",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "`deposit` is the new total."
      ],
      name: "channelToppedUp",
      type: {
        fields: [
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "id",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "amount",
            type: "u64"
          },
          {
            name: "deposit",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The rent went back."
      ],
      name: "evidenceClosed",
      type: {
        fields: [
          {
            name: "evidence",
            type: "pubkey"
          },
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "rentPayer",
            type: "pubkey"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "One answer of a channel can be challenged and proved now."
      ],
      name: "evidenceCreated",
      type: {
        fields: [
          {
            name: "evidence",
            type: "pubkey"
          },
          {
            name: "channel",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "rentPayer",
            type: "pubkey"
          },
          {
            name: "root",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "tokenCount",
            type: "u32"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The client was content, or silent for too long: the provider was paid, the rest went back."
      ],
      name: "jobConfirmed",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "caller",
            type: "pubkey"
          },
          {
            name: "paid",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "`amount` was locked."
      ],
      name: "jobCreated",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "amount",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The provider declined, or did not submit in time: everything went back."
      ],
      name: "jobRefunded",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "caller",
            type: "pubkey"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The client objected: the price was burnt, the rest went back."
      ],
      name: "jobRejected",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "verdictDigest",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "burnt",
            type: "u64"
          },
          {
            name: "refunded",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "A fault was proved: everything went back, and `compensation` from the stake."
      ],
      name: "jobSlashed",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "reason",
            type: {
              defined: {
                name: "slashReason"
              }
            }
          },
          {
            name: "refunded",
            type: "u64"
          },
          {
            name: "compensation",
            type: "u64"
          },
          {
            name: "burnt",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "The provider's head is stored, and its stake locked."
      ],
      name: "jobSubmitted",
      type: {
        fields: [
          {
            name: "job",
            type: "pubkey"
          },
          {
            name: "jobId",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "client",
            type: "pubkey"
          },
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "root",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "textDigest",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "promptCount",
            type: "u32"
          },
          {
            name: "tokenCount",
            type: "u32"
          },
          {
            name: "paidCount",
            type: "u32"
          },
          {
            name: "finish",
            type: "u8"
          },
          {
            name: "payout",
            type: "u64"
          },
          {
            name: "releaseAt",
            type: "i64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "Another node works for `authority`. Jobs and channels that exist keep the old key."
      ],
      name: "peerRotated",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "authority",
            type: "pubkey"
          },
          {
            name: "oldPeer",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "newPeer",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "bindings",
            type: "u32"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "A node works for `authority` from now on."
      ],
      name: "providerRegistered",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "authority",
            type: "pubkey"
          },
          {
            name: "peer",
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "stake",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      name: "slashReason",
      type: {
        kind: "enum",
        variants: [
          {
            name: "silence"
          },
          {
            name: "equivocation"
          },
          {
            name: "sampler"
          }
        ]
      }
    },
    {
      docs: [
        "`stake` is the new total."
      ],
      name: "stakeAdded",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "payer",
            type: "pubkey"
          },
          {
            name: "amount",
            type: "u64"
          },
          {
            name: "stake",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      docs: [
        "`stake` is what is left."
      ],
      name: "stakeWithdrawn",
      type: {
        fields: [
          {
            name: "provider",
            type: "pubkey"
          },
          {
            name: "amount",
            type: "u64"
          },
          {
            name: "stake",
            type: "u64"
          }
        ],
        kind: "struct"
      }
    },
    {
      name: "answerArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "position",
            docs: [
              "The challenged index."
            ],
            type: "u32"
          },
          {
            name: "step",
            docs: [
              "What its leaf was made of."
            ],
            type: {
              defined: {
                name: "step"
              }
            }
          },
          {
            name: "path",
            docs: [
              "Audit path, from the leaf up."
            ],
            type: {
              vec: {
                array: [
                  "u8",
                  32
                ]
              }
            }
          }
        ]
      }
    },
    {
      name: "challengeArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "positions",
            docs: [
              "Indexes of one to three steps, each once."
            ],
            type: {
              vec: "u32"
            }
          }
        ]
      }
    },
    {
      name: "channelCloseArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "ack",
            docs: [
              "Body of the last acknowledgement, which the client's node signed: in the instruction before."
            ],
            type: {
              array: [
                "u8",
                86
              ]
            }
          }
        ]
      }
    },
    {
      name: "channelOpenArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "terms",
            docs: [
              "Body of the terms, which the provider's node signed: in the instruction before."
            ],
            type: {
              array: [
                "u8",
                241
              ]
            }
          }
        ]
      }
    },
    {
      name: "channelRejectArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "verdictDigest",
            docs: [
              "Digest of the verdict that the client holds. Only recorded: no program can re-execute a model."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ]
      }
    },
    {
      name: "channelSettleArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "ack",
            docs: [
              "Body of an acknowledgement, which the client's node signed: in the instruction before."
            ],
            type: {
              array: [
                "u8",
                86
              ]
            }
          }
        ]
      }
    },
    {
      name: "channelTopUpArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "amount",
            docs: [
              "Lamports."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "evidenceCreateArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "offer",
            docs: [
              "Body of the offer."
            ],
            type: "bytes"
          },
          {
            name: "head",
            docs: [
              "A head of its job, without what the offer says: job id and execution class."
            ],
            type: {
              defined: {
                name: "headFields"
              }
            }
          }
        ]
      }
    },
    {
      name: "headFields",
      docs: [
        "The fields of a head that an offer does not say."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "tokenCount",
            docs: [
              "Tokens of the answer."
            ],
            type: "u32"
          },
          {
            name: "root",
            docs: [
              "Root of the tree over all steps."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "prefix",
            docs: [
              "Digest of all tokens."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "textDigest",
            docs: [
              "Digest of the answer's text."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "inputDigest",
            docs: [
              "Digest of the prompt's tokens."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "promptCount",
            docs: [
              "Tokens of the prompt."
            ],
            type: "u32"
          },
          {
            name: "finish",
            docs: [
              "How the answer ended, 255 for not yet."
            ],
            type: "u8"
          }
        ]
      }
    },
    {
      name: "jobCreateArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "offer",
            docs: [
              "Body of the offer. The job's terms are read from it, so they cannot differ from what the client signs."
            ],
            type: "bytes"
          }
        ]
      }
    },
    {
      name: "jobRejectArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "verdictDigest",
            docs: [
              "Digest of the verdict that the client holds. Only recorded: no program can re-execute a model."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ]
      }
    },
    {
      name: "jobSubmitArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "head",
            docs: [
              "Body of the final head. It counts as signed by the provider's node."
            ],
            type: {
              array: [
                "u8",
                202
              ]
            }
          },
          {
            name: "ack",
            docs: [
              "Body of the client's last acknowledgement, which is signed in the instruction before."
            ],
            type: {
              array: [
                "u8",
                86
              ]
            }
          }
        ]
      }
    },
    {
      name: "providerAddStakeArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "amount",
            docs: [
              "Lamports."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "providerRegisterArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "peer",
            docs: [
              "Ed25519 key of the node."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "stake",
            docs: [
              "Lamports."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "providerRotatePeerArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "peer",
            docs: [
              "The new Ed25519 key of the node."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ]
      }
    },
    {
      name: "providerWithdrawArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "amount",
            docs: [
              "Lamports."
            ],
            type: "u64"
          }
        ]
      }
    },
    {
      name: "slashEquivocationArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "first",
            docs: [
              "Body of a head of this job."
            ],
            type: {
              array: [
                "u8",
                202
              ]
            }
          },
          {
            name: "second",
            docs: [
              "Body of another. Without it, the delivery that the chain keeps is the other. All that are given are signed in the",
              "instruction before, in this order."
            ],
            type: {
              option: {
                array: [
                  "u8",
                  202
                ]
              }
            }
          }
        ]
      }
    },
    {
      name: "slashSamplerArgs",
      type: {
        kind: "struct",
        fields: [
          {
            name: "index",
            docs: [
              "Index of the step among the answer's tokens."
            ],
            type: "u32"
          },
          {
            name: "step",
            docs: [
              "What its leaf was made of."
            ],
            type: {
              defined: {
                name: "step"
              }
            }
          },
          {
            name: "path",
            docs: [
              "Audit path, from the leaf up."
            ],
            type: {
              vec: {
                array: [
                  "u8",
                  32
                ]
              }
            }
          }
        ]
      }
    },
    {
      name: "candidate",
      docs: [
        "A token that could have been next, with its logit × 1024, rounded."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "id",
            docs: [
              "Token."
            ],
            type: "u32"
          },
          {
            name: "q",
            docs: [
              "Logit × 1024, rounded."
            ],
            type: "i32"
          }
        ]
      }
    },
    {
      name: "candidates",
      docs: [
        "The tokens that could have been next, as the provider committed to them."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "salt",
            docs: [
              "Hides the list until it is opened."
            ],
            type: {
              array: [
                "u8",
                16
              ]
            }
          },
          {
            name: "list",
            docs: [
              "In the order in which they were committed."
            ],
            type: {
              vec: {
                defined: {
                  name: "candidate"
                }
              }
            }
          }
        ]
      }
    },
    {
      name: "step",
      docs: [
        "What a leaf is the hash of, besides job id and index."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "token",
            docs: [
              "The token that was given."
            ],
            type: "u32"
          },
          {
            name: "prefix",
            docs: [
              "Digest of everything before it."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "candidates",
            docs: [
              "What the token was drawn from. `None` in mode zk, where 32 zero bytes stand for it."
            ],
            type: {
              option: {
                defined: {
                  name: "candidates"
                }
              }
            }
          },
          {
            name: "exact",
            docs: [
              "Digest of the unrounded logits."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "zk",
            docs: [
              "`None` stands for 32 zero bytes."
            ],
            type: {
              option: {
                array: [
                  "u8",
                  32
                ]
              }
            }
          }
        ]
      }
    },
    {
      name: "challenge",
      docs: [
        "The one challenge that an answer can get. All zero before it is made."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "positions",
            docs: [
              "Indexes among the answer's tokens. Those in use come first."
            ],
            type: {
              array: [
                "u32",
                3
              ]
            }
          },
          {
            name: "open",
            docs: [
              "Bit i: the provider has not answered position i."
            ],
            type: "u8"
          },
          {
            name: "due",
            docs: [
              "Unix seconds from which silence is slashed."
            ],
            type: "i64"
          },
          {
            name: "bond",
            docs: [
              "Lamports that the account holds for the open positions."
            ],
            type: "u64"
          },
          {
            name: "challenger",
            docs: [
              "Wallet that put up the bond."
            ],
            type: "pubkey"
          },
          {
            name: "made",
            docs: [
              "An answer is challenged once."
            ],
            type: "bool"
          }
        ]
      }
    },
    {
      name: "channel",
      docs: [
        "Seeds: `\"channel\"`, id. Its lamports are the rent minimum and `deposit - settled`."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "version",
            docs: [
              "Layout version of this account."
            ],
            type: "u8"
          },
          {
            name: "bump",
            docs: [
              "Canonical bump of its address."
            ],
            type: "u8"
          },
          {
            name: "status",
            docs: [
              "What may happen next."
            ],
            type: {
              defined: {
                name: "channelStatus"
              }
            }
          },
          {
            name: "id",
            docs: [
              "The protocol's channel id: the digest of the terms."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "payer",
            docs: [
              "Wallet that deposited, and gets back what is not spent."
            ],
            type: "pubkey"
          },
          {
            name: "provider",
            docs: [
              "Authority of the provider's account."
            ],
            type: "pubkey"
          },
          {
            name: "peer",
            docs: [
              "Key of the provider's node when the channel was opened. A later rotation changes nothing here."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "clientPeer",
            docs: [
              "Key of the client's node, which signs acknowledgements."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "deposit",
            docs: [
              "Lamports deposited, those paid out included."
            ],
            type: "u64"
          },
          {
            name: "committed",
            docs: [
              "Largest acknowledged total of prices, in lamports."
            ],
            type: "u64"
          },
          {
            name: "released",
            docs: [
              "Largest acknowledged total of what the client does not object to, in lamports."
            ],
            type: "u64"
          },
          {
            name: "settled",
            docs: [
              "Lamports paid out."
            ],
            type: "u64"
          },
          {
            name: "window",
            docs: [
              "Most lamports that the provider lets stand between `committed` and `released`. Decides the stake at risk."
            ],
            type: "u64"
          },
          {
            name: "stakeAtRisk",
            docs: [
              "Lamports of the provider's stake that a proven fault takes."
            ],
            type: "u64"
          },
          {
            name: "openedAt",
            docs: [
              "Unix seconds."
            ],
            type: "i64"
          },
          {
            name: "validUntil",
            docs: [
              "Unix seconds until which the terms could be used. The channel is not closed before, so they are used once."
            ],
            type: "i64"
          },
          {
            name: "expiresAt",
            docs: [
              "Unix seconds from which anyone can ask to close."
            ],
            type: "i64"
          },
          {
            name: "closingAt",
            docs: [
              "Unix seconds, 0 while open. `CLOSE_WINDOW` after it the channel can be finished."
            ],
            type: "i64"
          },
          {
            name: "rejected",
            docs: [
              "The payer objected: what is committed and not released is burnt."
            ],
            type: "bool"
          },
          {
            name: "challengesOpen",
            docs: [
              "Challenges in this channel that wait for answers."
            ],
            type: "u8"
          },
          {
            name: "challengesMade",
            docs: [
              "Challenges ever made in this channel."
            ],
            type: "u8"
          },
          {
            name: "reserved",
            docs: [
              "Zero, for later versions."
            ],
            type: {
              array: [
                "u8",
                16
              ]
            }
          }
        ]
      }
    },
    {
      name: "channelStatus",
      docs: [
        "A channel that is closed has no account any more."
      ],
      type: {
        kind: "enum",
        variants: [
          {
            name: "open"
          },
          {
            name: "closing"
          }
        ]
      }
    },
    {
      name: "delivery",
      docs: [
        "The part of a head that payment and proofs need, and the challenge against it."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "promptCount",
            docs: [
              "Tokens of the prompt."
            ],
            type: "u32"
          },
          {
            name: "tokenCount",
            docs: [
              "Tokens of the answer."
            ],
            type: "u32"
          },
          {
            name: "paidCount",
            docs: [
              "Tokens of the answer that are paid. 0 in an evidence: its channel pays."
            ],
            type: "u32"
          },
          {
            name: "root",
            docs: [
              "Root of the tree over all steps."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "textDigest",
            docs: [
              "Digest of the answer's text."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "finish",
            docs: [
              "How the answer ended: 0 stop token, 1 most tokens, 2 stopped by the client, 3 broken off, 4 scored, 5 stop text;",
              "255 not yet."
            ],
            type: "u8"
          },
          {
            name: "challenge",
            docs: [
              "The demand that steps be opened."
            ],
            type: {
              defined: {
                name: "challenge"
              }
            }
          }
        ]
      }
    },
    {
      name: "evidence",
      docs: [
        "Seeds: `\"evidence\"`, channel address, job id. Its lamports are the rent minimum and the bond of an open challenge. It",
        "outlives its channel."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "version",
            docs: [
              "Layout version of this account."
            ],
            type: "u8"
          },
          {
            name: "bump",
            docs: [
              "Canonical bump of its address."
            ],
            type: "u8"
          },
          {
            name: "channel",
            docs: [
              "Address of the channel's account."
            ],
            type: "pubkey"
          },
          {
            name: "rentPayer",
            docs: [
              "Wallet that paid the rent, and gets it back."
            ],
            type: "pubkey"
          },
          {
            name: "terms",
            docs: [
              "What was agreed on."
            ],
            type: {
              defined: {
                name: "terms"
              }
            }
          },
          {
            name: "delivery",
            docs: [
              "A head that the provider signed."
            ],
            type: {
              defined: {
                name: "delivery"
              }
            }
          }
        ]
      }
    },
    {
      name: "job",
      docs: [
        "Seeds: `\"job\"`, client, job id. Its lamports are the rent minimum, `amount`, and the bond of an open challenge."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "version",
            docs: [
              "Layout version of this account."
            ],
            type: "u8"
          },
          {
            name: "bump",
            docs: [
              "Canonical bump of its address."
            ],
            type: "u8"
          },
          {
            name: "status",
            docs: [
              "What may happen next."
            ],
            type: {
              defined: {
                name: "jobStatus"
              }
            }
          },
          {
            name: "client",
            docs: [
              "Wallet that paid, and gets back what is not spent."
            ],
            type: "pubkey"
          },
          {
            name: "provider",
            docs: [
              "Authority of the provider's account."
            ],
            type: "pubkey"
          },
          {
            name: "amount",
            docs: [
              "Lamports locked: the price of all tokens that the offer covers."
            ],
            type: "u64"
          },
          {
            name: "createdAt",
            docs: [
              "Unix seconds."
            ],
            type: "i64"
          },
          {
            name: "deliverWithin",
            docs: [
              "Seconds from `created_at` in which the job can be submitted. From then on anyone can refund it."
            ],
            type: "u32"
          },
          {
            name: "submittedAt",
            docs: [
              "Unix seconds, 0 while open."
            ],
            type: "i64"
          },
          {
            name: "releaseAt",
            docs: [
              "Unix seconds, 0 while open. Until then the client can reject, from then on anyone can confirm."
            ],
            type: "i64"
          },
          {
            name: "stakeAtRisk",
            docs: [
              "Lamports of the provider's stake that a proven fault takes, 0 while open."
            ],
            type: "u64"
          },
          {
            name: "terms",
            docs: [
              "What was agreed on."
            ],
            type: {
              defined: {
                name: "terms"
              }
            }
          },
          {
            name: "delivery",
            docs: [
              "What was delivered."
            ],
            type: {
              defined: {
                name: "delivery"
              }
            }
          },
          {
            name: "reserved",
            docs: [
              "Zero, for later versions."
            ],
            type: {
              array: [
                "u8",
                16
              ]
            }
          }
        ]
      }
    },
    {
      name: "jobStatus",
      docs: [
        "A job that has ended has no account any more."
      ],
      type: {
        kind: "enum",
        variants: [
          {
            name: "open"
          },
          {
            name: "submitted"
          }
        ]
      }
    },
    {
      name: "provider",
      docs: [
        "Seeds: `\"provider\"`, authority. It is never closed, so that a bad record cannot be shed under the same authority.",
        "Its lamports are the rent minimum and the stake."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "version",
            docs: [
              "Layout version of this account."
            ],
            type: "u8"
          },
          {
            name: "bump",
            docs: [
              "Canonical bump of its address."
            ],
            type: "u8"
          },
          {
            name: "authority",
            docs: [
              "Wallet that registered and may withdraw."
            ],
            type: "pubkey"
          },
          {
            name: "peer",
            docs: [
              "Ed25519 key of the node, the one in its libp2p peer id. Signs heads and channel terms."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "stake",
            docs: [
              "Lamports staked: what was deposited, payouts and bonds, locked ones included."
            ],
            type: "u64"
          },
          {
            name: "lockedStake",
            docs: [
              "Sum of `stake_at_risk` of the submitted jobs and the channels. At most `stake`."
            ],
            type: "u64"
          },
          {
            name: "jobsCompleted",
            docs: [
              "Jobs that were paid from an account of their own. Anyone can be their own client: evidence, not proof."
            ],
            type: "u64"
          },
          {
            name: "earned",
            docs: [
              "Lamports of all payouts."
            ],
            type: "u64"
          },
          {
            name: "jobsRejected",
            docs: [
              "Rejections that burnt something: jobs, and channels."
            ],
            type: "u32"
          },
          {
            name: "rejected",
            docs: [
              "Lamports burnt by rejections."
            ],
            type: "u64"
          },
          {
            name: "jobsSlashed",
            docs: [
              "Jobs and channels with a proven fault."
            ],
            type: "u32"
          },
          {
            name: "bindings",
            docs: [
              "Number of the node's binding, from 0. The consent to it names it."
            ],
            type: "u32"
          },
          {
            name: "registeredAt",
            docs: [
              "Unix seconds."
            ],
            type: "i64"
          },
          {
            name: "reserved",
            docs: [
              "Zero, for later versions."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          }
        ]
      }
    },
    {
      name: "terms",
      docs: [
        "The part of an offer that payment and proofs need."
      ],
      type: {
        kind: "struct",
        fields: [
          {
            name: "jobId",
            docs: [
              "The protocol's job id: the digest of the offer."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "peer",
            docs: [
              "Key of the provider's node, which signs heads. A later rotation changes nothing here."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "clientPeer",
            docs: [
              "Key of the client's node, which signs acknowledgements."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "priceJob",
            docs: [
              "Lamports for the job, once anything is acknowledged."
            ],
            type: "u64"
          },
          {
            name: "priceIn",
            docs: [
              "Lamports per 1,000 prompt tokens."
            ],
            type: "u64"
          },
          {
            name: "priceOut",
            docs: [
              "Lamports per 1,000 answer tokens."
            ],
            type: "u64"
          },
          {
            name: "grace",
            docs: [
              "Tokens that are paid beyond the acknowledged ones."
            ],
            type: "u32"
          },
          {
            name: "promptTokens",
            docs: [
              "Most tokens of the prompt."
            ],
            type: "u32"
          },
          {
            name: "maxTokens",
            docs: [
              "Most tokens of the answer."
            ],
            type: "u32"
          },
          {
            name: "seed",
            docs: [
              "Seed of the draws."
            ],
            type: {
              array: [
                "u8",
                32
              ]
            }
          },
          {
            name: "temperature",
            docs: [
              "Hundredths, 0 to 200."
            ],
            type: "u8"
          },
          {
            name: "minP",
            docs: [
              "Hundredths, 0 to 100."
            ],
            type: "u8"
          },
          {
            name: "topP",
            docs: [
              "Hundredths, 1 to 100."
            ],
            type: "u8"
          },
          {
            name: "topK",
            docs: [
              "Candidates of a step."
            ],
            type: "u8"
          },
          {
            name: "vocab",
            docs: [
              "Number of token ids of the model."
            ],
            type: "u32"
          },
          {
            name: "start",
            docs: [
              "Tokens of the answer that an earlier job wrote: the first step's draw is this one."
            ],
            type: "u32"
          },
          {
            name: "mode",
            docs: [
              "When the client opens the answer: 0 never, 1 after it, 2 later, 3 proved and hidden, 4 a score job."
            ],
            type: "u8"
          },
          {
            name: "plain",
            docs: [
              "The offer has no `extra`: the draws follow from the candidates alone."
            ],
            type: "bool"
          }
        ]
      }
    }
  ],
  events: [
    {
      discriminator: [
        40,
        96,
        87,
        76,
        52,
        107,
        245,
        237
      ],
      name: "answered"
    },
    {
      discriminator: [
        208,
        48,
        104,
        229,
        231,
        85,
        175,
        193
      ],
      name: "challenged"
    },
    {
      discriminator: [
        119,
        198,
        23,
        254,
        216,
        124,
        84,
        16
      ],
      name: "channelClosed"
    },
    {
      discriminator: [
        213,
        229,
        143,
        197,
        237,
        154,
        150,
        96
      ],
      name: "channelClosing"
    },
    {
      discriminator: [
        197,
        204,
        98,
        146,
        169,
        161,
        0,
        232
      ],
      name: "channelFinished"
    },
    {
      discriminator: [
        253,
        213,
        255,
        96,
        31,
        188,
        47,
        170
      ],
      name: "channelOpened"
    },
    {
      discriminator: [
        149,
        161,
        244,
        71,
        242,
        217,
        198,
        167
      ],
      name: "channelRejected"
    },
    {
      discriminator: [
        111,
        173,
        122,
        136,
        157,
        140,
        206,
        6
      ],
      name: "channelSettled"
    },
    {
      discriminator: [
        136,
        31,
        193,
        73,
        65,
        6,
        21,
        77
      ],
      name: "channelSlashed"
    },
    {
      discriminator: [
        54,
        225,
        177,
        32,
        80,
        12,
        60,
        115
      ],
      name: "channelToppedUp"
    },
    {
      discriminator: [
        27,
        178,
        179,
        79,
        139,
        67,
        156,
        162
      ],
      name: "evidenceClosed"
    },
    {
      discriminator: [
        52,
        6,
        179,
        250,
        200,
        255,
        254,
        105
      ],
      name: "evidenceCreated"
    },
    {
      discriminator: [
        111,
        213,
        86,
        157,
        116,
        210,
        130,
        184
      ],
      name: "jobConfirmed"
    },
    {
      discriminator: [
        48,
        110,
        162,
        177,
        67,
        74,
        159,
        131
      ],
      name: "jobCreated"
    },
    {
      discriminator: [
        156,
        171,
        111,
        37,
        17,
        174,
        8,
        167
      ],
      name: "jobRefunded"
    },
    {
      discriminator: [
        23,
        78,
        227,
        57,
        28,
        0,
        197,
        216
      ],
      name: "jobRejected"
    },
    {
      discriminator: [
        3,
        89,
        133,
        162,
        108,
        47,
        168,
        1
      ],
      name: "jobSlashed"
    },
    {
      discriminator: [
        129,
        204,
        35,
        127,
        38,
        50,
        131,
        248
      ],
      name: "jobSubmitted"
    },
    {
      discriminator: [
        157,
        64,
        14,
        122,
        103,
        60,
        151,
        175
      ],
      name: "peerRotated"
    },
    {
      discriminator: [
        38,
        209,
        137,
        78,
        185,
        19,
        147,
        14
      ],
      name: "providerRegistered"
    },
    {
      discriminator: [
        139,
        170,
        134,
        90,
        22,
        96,
        23,
        193
      ],
      name: "stakeAdded"
    },
    {
      discriminator: [
        33,
        120,
        159,
        58,
        140,
        255,
        174,
        79
      ],
      name: "stakeWithdrawn"
    }
  ],
  errors: [
    {
      code: 6000,
      name: "stakeTooLow",
      msg: "The provider's free stake does not cover this"
    },
    {
      code: 6001,
      name: "stakeLocked",
      msg: "This stake is locked by submitted jobs or open channels"
    },
    {
      code: 6002,
      name: "amountZero",
      msg: "The amount must not be zero"
    },
    {
      code: 6003,
      name: "amountMismatch",
      msg: "The amount is not the price of the offer's prompt and answer tokens"
    },
    {
      code: 6004,
      name: "mathOverflow",
      msg: "The numbers are too large to calculate with"
    },
    {
      code: 6005,
      name: "invariantViolated",
      msg: "An account would be left in a state that its rules forbid"
    },
    {
      code: 6006,
      name: "unauthorized",
      msg: "This account has no right to do this"
    },
    {
      code: 6007,
      name: "invalidStatus",
      msg: "The account is not in the state that this needs"
    },
    {
      code: 6008,
      name: "missingEd25519Instruction",
      msg: "An ed25519 instruction must come directly before this one"
    },
    {
      code: 6009,
      name: "malformedEd25519Instruction",
      msg: "The ed25519 instruction must hold exactly the expected signatures, each with its own key and message"
    },
    {
      code: 6010,
      name: "signerMismatch",
      msg: "The signature is not by the expected key"
    },
    {
      code: 6011,
      name: "messageMismatch",
      msg: "What was signed is not the expected message"
    },
    {
      code: 6012,
      name: "malformedOffer",
      msg: "This is not an offer of version 1"
    },
    {
      code: 6013,
      name: "offerMismatch",
      msg: "The offer is for another kind of payment, another account or other nodes"
    },
    {
      code: 6014,
      name: "offerExpired",
      msg: "The offer has expired"
    },
    {
      code: 6015,
      name: "invalidDeliverWithin",
      msg: "The time for the delivery must be 60 to 86,400 seconds"
    },
    {
      code: 6016,
      name: "peerMismatch",
      msg: "The provider's account holds another node than the one named"
    },
    {
      code: 6017,
      name: "deliveryPending",
      msg: "The provider can still submit the job"
    },
    {
      code: 6018,
      name: "deadlinePassed",
      msg: "The time in which the job could be submitted is over"
    },
    {
      code: 6019,
      name: "malformedHead",
      msg: "This is not a head of version 1"
    },
    {
      code: 6020,
      name: "headMismatch",
      msg: "The head is of another job"
    },
    {
      code: 6021,
      name: "tooManyTokens",
      msg: "The answer has more tokens than the job allows"
    },
    {
      code: 6022,
      name: "promptTooLong",
      msg: "The prompt has more tokens than the offer covers"
    },
    {
      code: 6023,
      name: "invalidFinish",
      msg: "The answer cannot end this way: not final, a score job's ending, or a stop that nobody signed"
    },
    {
      code: 6024,
      name: "malformedAck",
      msg: "This is not an acknowledgement of version 1"
    },
    {
      code: 6025,
      name: "ackMismatch",
      msg: "The acknowledgement is for another job or channel"
    },
    {
      code: 6026,
      name: "ackBeyondAnswer",
      msg: "The acknowledgement names more tokens than the answer has"
    },
    {
      code: 6027,
      name: "ackBeyondDeposit",
      msg: "The acknowledged totals are above the deposit"
    },
    {
      code: 6028,
      name: "ackStale",
      msg: "The acknowledged totals are below those that the channel has"
    },
    {
      code: 6029,
      name: "objectionPossible",
      msg: "Closing at once needs an acknowledgement without objection: stop 2"
    },
    {
      code: 6030,
      name: "checkWindowOpen",
      msg: "The client can still object"
    },
    {
      code: 6031,
      name: "checkWindowClosed",
      msg: "The client's time to object is over"
    },
    {
      code: 6032,
      name: "malformedTerms",
      msg: "These are not channel terms of version 1"
    },
    {
      code: 6033,
      name: "termsMismatch",
      msg: "The terms are for another program, payer, authority or chain"
    },
    {
      code: 6034,
      name: "termsExpired",
      msg: "The terms have expired"
    },
    {
      code: 6035,
      name: "termsTooLong",
      msg: "The terms stay valid too long"
    },
    {
      code: 6036,
      name: "termsStillValid",
      msg: "The terms are still valid: a channel that is closed now could be opened again with them"
    },
    {
      code: 6037,
      name: "closeWindowOpen",
      msg: "The payer's time to object has not ended"
    },
    {
      code: 6038,
      name: "closeWindowClosed",
      msg: "The payer's time to object is over"
    },
    {
      code: 6039,
      name: "channelExists",
      msg: "The evidence's channel still exists"
    },
    {
      code: 6040,
      name: "subjectMismatch",
      msg: "Give either a job, or an evidence with its channel"
    },
    {
      code: 6041,
      name: "notChallengeable",
      msg: "This answer cannot be challenged: mode none, or a score job of more than 16,384 tokens"
    },
    {
      code: 6042,
      name: "invalidPositions",
      msg: "A challenge names one to three different positions among the answer's tokens"
    },
    {
      code: 6043,
      name: "alreadyChallenged",
      msg: "This answer was challenged before"
    },
    {
      code: 6044,
      name: "tooManyChallenges",
      msg: "The channel had its three challenges"
    },
    {
      code: 6045,
      name: "challengeOpen",
      msg: "A challenge is open"
    },
    {
      code: 6046,
      name: "positionNotOpen",
      msg: "No challenge is open at this position"
    },
    {
      code: 6047,
      name: "challengeNotDue",
      msg: "The challenge is not due yet, or none is open"
    },
    {
      code: 6048,
      name: "pathTooLong",
      msg: "The audit path is too long"
    },
    {
      code: 6049,
      name: "rootMismatch",
      msg: "The step is not under the root at this index"
    },
    {
      code: 6050,
      name: "candidatesMissing",
      msg: "The step does not show its candidates"
    },
    {
      code: 6051,
      name: "tokenMismatch",
      msg: "The token does not follow from the seed and the committed candidates"
    },
    {
      code: 6052,
      name: "tokenFollows",
      msg: "The token follows from the seed and the committed candidates: no fraud"
    },
    {
      code: 6053,
      name: "drawsNotJudgeable",
      msg: "No program can judge this answer's draws: its offer has extra settings, or its mode hides or has none"
    },
    {
      code: 6054,
      name: "headsAgree",
      msg: "Both heads can be honest: no equivocation"
    }
  ],
  constants: [
    {
      name: "bond",
      docs: [
        "Lamports that a challenger puts up for each position: the network's fee of an answer, which gets them."
      ],
      type: "u64",
      value: "5000"
    },
    {
      name: "challengeMargin",
      docs: [
        "Seconds that remain after a challenge is due to slash for it."
      ],
      type: "i64",
      value: "60"
    },
    {
      name: "challengeWindow",
      docs: [
        "Seconds in which a provider answers a challenge."
      ],
      type: "i64",
      value: "14400"
    },
    {
      name: "closeWindow",
      docs: [
        "Seconds between asking to close a channel and finishing it. The payer rejects and challenges within them. Longer than",
        "a reboot or a night's outage takes to repair."
      ],
      type: "i64",
      value: "18000"
    },
    {
      name: "maxChallenges",
      docs: [
        "Most challenges in one channel."
      ],
      type: "u8",
      value: "3"
    },
    {
      name: "maxCheckWindow",
      type: "i64",
      value: "86400"
    },
    {
      name: "maxDeliverWithin",
      type: "u32",
      value: "86400"
    },
    {
      name: "maxPath",
      docs: [
        "Most hashes in an audit path."
      ],
      type: "u8",
      value: "16"
    },
    {
      name: "maxPositions",
      docs: [
        "Most positions of one challenge."
      ],
      type: "u8",
      value: "3"
    },
    {
      name: "maxScorePath",
      docs: [
        "Most hashes in the audit path of a score job that can be challenged: its 40 candidates fill the transaction."
      ],
      type: "u8",
      value: "14"
    },
    {
      name: "maxStops",
      docs: [
        "Most stop tokens that an offer names."
      ],
      type: "u8",
      value: "8"
    },
    {
      name: "maxTermsValidity",
      docs: [
        "Seconds after which the terms of a channel that is opened now must have expired. The protocol allows 120 s; the rest",
        "is for clocks that differ. Until then the channel cannot be closed, so a later time would hold the deposit."
      ],
      type: "i64",
      value: "600"
    },
    {
      name: "maxTokens",
      docs: [
        "Most tokens of a paid answer, so that every step of it can be proved."
      ],
      type: "u32",
      value: "65536"
    },
    {
      name: "minCheckWindow",
      docs: [
        "Bounds of the seconds in which a client checks a submitted job. Within them it has as long as the answer took."
      ],
      type: "i64",
      value: "300"
    },
    {
      name: "minDeliverWithin",
      docs: [
        "Bounds of the seconds in which a job is to be submitted."
      ],
      type: "u32",
      value: "60"
    },
    {
      name: "minStake",
      docs: [
        "The least stake with which a provider registers, in lamports: 0.1 SOL."
      ],
      type: "u64",
      value: "100000000"
    },
    {
      name: "slashMultiple",
      docs: [
        "Stake at risk, as a multiple of a job's payout or a channel's window."
      ],
      type: "u64",
      value: "10"
    }
  ]
};
