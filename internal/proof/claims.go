package main

import "strings"

// claim is a promise and the tests that try to break it.
type claim struct {
	promise string // P1 to P9 of the README
	pkg     string
	tests   string   // as go test -run takes it
	large   []string // environment of a release's size
}

// claims is the one list of what is proved, promise by promise.
func claims() []claim {
	return []claim{
		{"P1", "./internal/killtest", exactly("TestKilledAtRandomInstantsNothingIsLostOrDoubled"), []string{"WAYBILL_KILLS=2000"}},
		{"P1", "./internal/killtest", exactly("TestKilledAtEveryLabelledStepNothingIsLostOrDoubled"), []string{"WAYBILL_STEPS=20"}},
		{"P1", "./record", exactly(
			"TestAcceptedMeansKeptAcrossPowerCuts", "TestAcceptedMeansKeptAcrossPowerCutsUnderMany",
			"TestAnErrorOfTheDiskIsUnavailableAndOverOnceTheDiskWorks", "TestAFullDiskRefusesWithWordsStillReadsAndGoesOnOnceThereIsRoom",
			"TestASyncThatFailedIsNeverTrustedAgain", "TestALogWhoseSyncFailedIsNotBuiltUpon",
		), []string{"WAYBILL_STRIKES=20000"}},
		{"P1", "./receive", exactly("TestNothingIsAcceptedThatTheBookDidNotKeep", "TestBeyondCapacityTheIntakeShedsAndLosesNothingItAccepted"), nil},
		{"P1", "./internal/killtest", exactly("TestBeyondCapacityTheServerShedsLosesNothingItAcceptedAndRecoversInSeconds"), []string{"WAYBILL_ACCEPTED=20000"}},
		{"P2", "./engine", exactly("TestAfterAnyStormEverythingIsDoneOrOnAPersonsList", "TestAKillAtAnyInstantChangesNothingOfTheEnd"), []string{"WAYBILL_SEEDS=5000"}},
		{"P3", "./prove", exactly(
			"TestNothingIsLostOrDoubledInAnyWorld", "TestWorldsThatOnceShowedABrokenPromiseHold", "TestTheExamplesHoldInEveryWorld",
			"TestTheJudgeSeesEachBrokenPromise", "TestOneSeedIsOneWorld",
		), []string{"WAYBILL_SEEDS=20000"}},
		{"P3", "./engine", exactly("TestEveryFaultAtEveryGradeLosesAndDoublesNothing", "TestTwoWritesToOneObjectAreNeverUnderWayTogether"), nil},
		{"P3", "./deliver", exactly("TestWhatAnExchangeMeansForAnEffect", "TestNoDecisionBreaksAPromise", "TestWhatALookUpProves"), nil},
		{"P3", "./deliver", exactly("TestEveryProviderFaultAtEveryGradeEndsAsTheLedgerSays", "TestFaultsOfTheHandshakeNeverReachTheProvider", "TestWhatAnAnswerProves", "TestOneAttemptIsOneExchange"), nil},
		{"P4", "./translate", exactly("TestAllTellingsOfOnePaymentAreOneFactOfEachKind"), nil},
		{"P4", "./engine", exactly("TestAllWebhooksOfOnePaymentInEveryOrderTwiceMakeOneFactAndOneRun"), nil},
		{"P5", "./engine", exactly("TestRunsOfOneLaneFollowEachOtherInTheOrderOfAcceptance", "TestAnOlderFactThatArrivesLateDoesNotOverwriteANewerOne"), nil},
		{"P1", "./record", exactly(
			"TestABackendThatIsKilledCostsNoEventAndTheBookGoesOn", "TestAServerThatCrashesKeepsWhatWasAcknowledgedAndTheBookComesBack",
			"TestAServerThatCouldLoseWhatItAcknowledgedIsRefused", "TestAWriteWaitsForStableStorageWhateverTheRoleHasSet",
			"TestNodesThatStartTogetherMakeOneBook", "TestAFrozenBackendHoldsNobodyForEverAndNothingIsLost",
		), nil},
		{"P3", "./engine", exactly(
			"TestNodesOnOneBookComeToTheEndThatOneProcessComesTo", "TestAKilledNodesWorkIsTakenOnByTheOthers",
			"TestANodeCutOffFromTheBookBeginsNothingAndLosesNothing", "TestANodeThatStandsStillPastItsLeaseDoublesNothing",
			"TestANodeThatWakesBetweenSentAndTheFirstByteSendsNothing", "TestClocksThatAreOffByMinutesDoNoHarm",
		), nil},
		{"P3", "./internal/killtest", exactly("TestOfThreeNodesOneIsKilledAndOneStandsStillPastItsLeaseAndNothingIsLostOrDoubled"), []string{"WAYBILL_UNDER=60"}},
		{"P3", "./internal/killtest", exactly("TestBackendsKilledUnderSeveralNodesLoseAndDoubleNothing"), []string{"WAYBILL_BACKENDS=1000"}},
		{"P3", "./internal/killtest", exactly("TestBehindAPoolerOneOfTwoNodesIsKilledAndNothingIsLostOrDoubled"), []string{"WAYBILL_UNDER=60"}},
		{"P1", "./record", exactly("TestNodesBehindAPoolerWorkOnOneBook", "TestTheBookKeepsItsPromisesThroughAPooler"), nil},
		{"P3", "./engine", exactly(
			"TestWhatAKilledNodeHadNotSentIsTakenOnWithinSeconds", "TestOneNodeAtATimeUsesARefreshTokenThatRotates",
			"TestNodesThatAllLoseSightOfTheBookAreNotCalledLostByTheFirstThatComesBack",
		), nil},
		{"P3", "./engine", exactly("TestARestoredBookSendsNothingTwice"), nil},
		{"P3", "./engine", exactly(
			"TestWhatAWrongMappingWroteToManyObjectsIsPutBack", "TestAReplayNeverSendsAgainWhatWasConfirmedWithTheSameValues",
			"TestAReplayTellsOnlyWhatNobodyKnowsAndThePlanSaysSo", "TestAReplayOfALoopSendsOnlyTheItemThatChanged",
		), nil},
		{"P6", "./receive", exactly("TestASlowSenderHoldsNoOtherUp", "TestBodiesInMemoryAreBounded", "TestHostileNamesAreMadeHarmless"), nil},
		{"P7", "./receive", exactly("TestNoSecretIsEverKeptOrSampled"), nil},
		{"P8", "./engine", exactly(
			"TestAnOutageOfTenMinutesCostsNoTriesAndEndsByItself", "TestAConnectionThatHangsDelaysNobodyElse",
			"TestAFlowWithALongBacklogDelaysNoOther", "TestAfterAnOutageTheBacklogIsWorkedOffSlowlyAtFirst",
			"TestAKillAtAnyInstantAcrossAWaitChangesNothing", "TestATimerWaitsForWhatWasAcceptedBeforeIt",
		), nil},
		{"P8", "./engine", exactly(
			"TestAJobOfManyIsPlannedAndDoneInBoundedMemoryAndAKillCostsNothingOfIt", "TestAJobKeepsItsPaceHoweverManyNodesThereAre",
			"TestWhatIsHeldInMemoryDoesNotGrowWithTheBacklog", "TestAJobOfManyHoldsItselfAndStopsForGood",
		), []string{"WAYBILL_MEMBERS=100000"}},
		{"P8", "./connectors", exactly("TestWhatEachSystemSaysOfItsLimitsIsHeeded"), nil},
		{"P8", "./internal/killtest", exactly("TestASignalEndsTheServerOnlyAfterWhatIsUnderWay"), []string{"WAYBILL_STOPS=500"}},
		{"P9", "./internal/killtest", exactly("TestUpgradedUnderLoadNothingIsLostOrDoubled"), nil},
		{"P9", "./engine", exactly("TestARunFinishesOnItsVersionAndARemovedConnectionKeepsWhatComes"), nil},
	}
}

// exactly is the pattern of these tests and no others.
func exactly(tests ...string) string { return "^(" + strings.Join(tests, "|") + ")$" }
